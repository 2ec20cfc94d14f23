"""Text objects of a page that PDFium gives no characters of."""

from __future__ import annotations

import pypdfium2  # type: ignore[import-untyped]
import pypdfium2.raw as pdfium  # type: ignore[import-untyped]

from ocr.page_warning import PageWarning

FEW = 50
"""Characters up to which a page is looked at: where text is lost, it is nearly all of a page."""
_NOTHING = 0.01
_DEPTH = 3
_MOST = 5_000


def lost_text(page: pypdfium2.PdfPage) -> tuple[PageWarning, ...]:
    """Return a warning if a page has lines of vertical text of which there are no characters.

    PDFium gives text in fonts that are not embedded the width of no glyph, which is none where
    lines run downwards, and then leaves out what has no width.
    """
    lost = 0
    shapes = page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_TEXT], max_depth=_DEPTH)
    for count, shape in enumerate(shapes):
        if count >= _MOST:
            break
        try:
            left, bottom, right, top = shape.get_bounds()
        except pypdfium2.PdfiumError:
            continue
        lost += right - left < _NOTHING and top - bottom > 1
    if not lost:
        return ()
    message = (
        f"{lost:,} lines of vertical text are in a font that the file lacks, and cannot be read; "
        "embed the font"
    )
    return (PageWarning("text_unreadable", message, incomplete=True),)
