"""Sets known text as PDF pages."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reportlab.lib import colors  # type: ignore[import-untyped]
from reportlab.lib.enums import TA_JUSTIFY, TA_LEFT  # type: ignore[import-untyped]
from reportlab.lib.pagesizes import A4  # type: ignore[import-untyped]
from reportlab.lib.styles import ParagraphStyle  # type: ignore[import-untyped]
from reportlab.lib.utils import ImageReader  # type: ignore[import-untyped]
from reportlab.pdfbase import pdfmetrics  # type: ignore[import-untyped]
from reportlab.pdfbase.ttfonts import TTFont  # type: ignore[import-untyped]
from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]
from reportlab.platypus import (  # type: ignore[import-untyped]
    BaseDocTemplate,
    Frame,
    KeepTogether,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
)

WIDTH, HEIGHT = A4
_MARGIN = 57.0
_GUTTER = 24.0
_FOLDER = Path("/usr/share/fonts/truetype")
FONTS = {
    "Liberation Serif": "liberation2/LiberationSerif-Regular.ttf",
    "Liberation Sans": "liberation2/LiberationSans-Regular.ttf",
    "DejaVu Sans": "dejavu/DejaVuSans.ttf",
    "FreeSerif": "freefont/FreeSerif.ttf",
    "Noto Sans": "noto/NotoSans-Regular.ttf",
    "Liberation Mono": "liberation2/LiberationMono-Regular.ttf",
    "WenQuanYi Micro Hei": "wqy/wqy-microhei.ttc",
}
"""Free fonts, from Debian's packages of these names."""


@dataclass
class Setting:
    """A document that is being written, and what a perfect reader would read.

    Attributes:
        justified: whether lines end at the same place.
        flow: what is set.
        truth: its texts, in reading order.
        tables: the tables among them.
    """

    font: str
    size: float = 10.0
    justified: bool = False
    flow: list[object] = field(default_factory=list)
    truth: list[str] = field(default_factory=list)
    tables: list[list[list[str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.font not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(self.font, str(_FOLDER / FONTS[self.font])))

    def heading(self, text: str, factor: float = 1.7) -> None:
        """Set a heading."""
        self._paragraph(text, self.size * factor)

    def paragraph(self, text: str) -> None:
        """Set a paragraph."""
        self._paragraph(text, self.size)

    def item(self, text: str) -> None:
        """Set an item of a list."""
        style = self._style(self.size)
        style.leftIndent, style.bulletIndent = 14, 2
        self.flow.append(Paragraph(text, style, bulletText="\u2022"))
        self.truth.append(text)

    def table(self, rows: list[list[str]], ruled: bool) -> None:
        """Set a table."""
        style: list[tuple[object, ...]] = [("FONT", (0, 0), (-1, -1), self.font, self.size)]
        if ruled:
            style.append(("GRID", (0, 0), (-1, -1), 0.6, colors.black))
        # A table that goes on in the next column is two tables to any reader.
        whole = KeepTogether(Table(rows, style=style))
        self.flow += [Spacer(1, 6), whole, Spacer(1, 6)]
        self.truth.append(" ".join(cell for row in rows for cell in row))
        self.tables.append(rows)

    def pdf(self, columns: int = 1, compressed: bool = True, gutter: float = _GUTTER) -> bytes:
        """Return the document."""
        file = io.BytesIO()
        width = (WIDTH - 2 * _MARGIN - (columns - 1) * gutter) / columns
        frames = [
            Frame(
                _MARGIN + column * (width + gutter),
                _MARGIN,
                width,
                HEIGHT - 2 * _MARGIN,
                *(0, 0, 0, 0),
            )
            for column in range(columns)
        ]
        document = BaseDocTemplate(
            file, pagesize=A4, invariant=1, pageCompression=1 if compressed else 0
        )
        document.addPageTemplates([PageTemplate(frames=frames)])
        document.build(list(self.flow))
        return file.getvalue()

    def _paragraph(self, text: str, size: float) -> None:
        self.flow.append(Paragraph(text, self._style(size)))
        self.truth.append(text)

    def _style(self, size: float) -> ParagraphStyle:
        return ParagraphStyle(
            "set",
            fontName=self.font,
            fontSize=size,
            alignment=TA_JUSTIFY if self.justified else TA_LEFT,
            leading=size * 1.3,
            spaceAfter=size * 0.7,
            wordWrap="CJK" if self.font.startswith("WenQuanYi") else None,
        )


def pictures(pages: Sequence[bytes]) -> bytes:
    """Return a PDF whose pages are nothing but images."""
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=A4, invariant=1)
    for page in pages:
        canvas.drawImage(ImageReader(io.BytesIO(page)), 0, 0, WIDTH, HEIGHT)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def with_wrong_letters(pdf: bytes) -> bytes:
    """Return a PDF that looks the same and whose font maps its glyphs to other letters.

    Args:
        pdf: not compressed, so that its ToUnicode tables can be found.
    """

    def shifted(match: re.Match[bytes]) -> bytes:
        code = int(match[2], 16)
        for first, last in ((0x61, 0x7A), (0x41, 0x5A)):
            if first <= code <= last:
                code = first + (code - first + 7) % 26
        return b"%s<%04X>" % (match[1], code)

    changed = re.sub(rb"(<[0-9A-Fa-f]{2}> ?)<([0-9A-Fa-f]{4})>", shifted, pdf)
    if changed == pdf:
        raise ValueError("the document has no ToUnicode table that could be changed")
    return changed
