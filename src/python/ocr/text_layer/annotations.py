"""What lies over a PDF page: values of form fields, check boxes, notes written on it, links."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pypdfium2  # type: ignore[import-untyped]
import pypdfium2.raw as pdfium  # type: ignore[import-untyped]

from ocr.geometry import Box
from ocr.text import Fragment, Means, Word, fragment
from ocr.text_layer.placing import Placing, turned

_HIDDEN = pdfium.FPDF_ANNOT_FLAG_HIDDEN | pdfium.FPDF_ANNOT_FLAG_NOVIEW
_MOST = 5_000
"""Annotations of a page that are looked at."""
_USUAL_SIZE = 11.0
"""Points of type where a field leaves the size to the program that shows it."""
_LINE = 1.2
"""Height of a line, in sizes of its type."""
_LETTER = 0.5
"""Width of a letter, in sizes of its type: the mean of running text in most fonts."""
_CHECKED = {True: "[x]", False: "[ ]"}
_TYPED = (
    pdfium.FPDF_FORMFIELD_TEXTFIELD,
    pdfium.FPDF_FORMFIELD_COMBOBOX,
    pdfium.FPDF_FORMFIELD_LISTBOX,
)
_CHECKABLE = (pdfium.FPDF_FORMFIELD_CHECKBOX, pdfium.FPDF_FORMFIELD_RADIOBUTTON)
_LINKED = ("http://", "https://", "mailto:")


@dataclass(frozen=True, slots=True)
class Link:
    """A part of a page that leads to an address.

    Attributes:
        target: such as https://example.org/
    """

    box: Box
    target: str


@dataclass(frozen=True, slots=True)
class Annotations:
    """What lies over a page.

    Attributes:
        fragments: values of fields, and notes written on the page.
        links: to addresses outside of the document.
        pictures: stamps and notes that show something and say nothing: to be recognised.
    """

    fragments: tuple[Fragment, ...] = ()
    links: tuple[Link, ...] = ()
    pictures: tuple[Box, ...] = ()


def annotations_of(page: pypdfium2.PdfPage, placing: Placing) -> Annotations:
    """Return what lies over a page. Fields need the document's forms to be initialised."""
    fragments: list[Fragment] = []
    links: list[Link] = []
    pictures: list[Box] = []
    for index in range(min(pdfium.FPDFPage_GetAnnotCount(page), _MOST)):
        annotation = pdfium.FPDFPage_GetAnnot(page, index)
        if not annotation:
            continue
        try:
            box = _box(annotation, placing)
            if box is None or pdfium.FPDFAnnot_GetFlags(annotation) & _HIDDEN:
                continue
            match pdfium.FPDFAnnot_GetSubtype(annotation):
                case pdfium.FPDF_ANNOT_WIDGET:
                    fragments.extend(_field(page, annotation, box))
                case pdfium.FPDF_ANNOT_FREETEXT | pdfium.FPDF_ANNOT_STAMP:
                    written = list(_written(annotation, box))
                    fragments.extend(written)
                    if not written:
                        pictures.append(box)
                case pdfium.FPDF_ANNOT_LINK:
                    target = _target(page, annotation)
                    if target.startswith(_LINKED):
                        links.append(Link(box, target))
        finally:
            pdfium.FPDFPage_CloseAnnot(annotation)
    return Annotations(tuple(fragments), tuple(links), tuple(pictures))


def turned_annotations(
    over: Annotations, quarters: int, width: float, height: float
) -> Annotations:
    """Return annotations on a page that was turned clockwise by quarters.

    Args:
        width: of the page before.
        height: likewise.
    """
    if quarters == 0:
        return over

    def turn(box: Box) -> Box:
        return turned(box, quarters, width, height)

    return Annotations(
        tuple(
            fragment(
                [replace(word, box=turn(word.box)) for word in piece.words],
                piece.source,
                piece.means,
            )
            for piece in over.fragments
        ),
        tuple(Link(turn(link.box), link.target) for link in over.links),
        tuple(map(turn, over.pictures)),
    )


def _field(page: pypdfium2.PdfPage, annotation: object, box: Box) -> Iterator[Fragment]:
    if page.formenv is None:
        return
    form = page.formenv.raw
    kind = pdfium.FPDFAnnot_GetFormFieldType(form, annotation)
    if kind in _CHECKABLE:
        checked = pdfium.FPDFAnnot_IsChecked(form, annotation) == 1
        yield from _lines(_CHECKED[checked], box, box.height / _LINE, "form_field", whole=True)
    elif kind in _TYPED:
        flags = pdfium.FPDFAnnot_GetFormFieldFlags(form, annotation)
        if flags & pdfium.FPDF_FORMFLAG_TEXT_PASSWORD:
            return
        value = _wide(pdfium.FPDFAnnot_GetFormFieldValue, form, annotation)
        size = ctypes.c_float()
        pdfium.FPDFAnnot_GetFontSize(form, annotation, size)
        yield from _lines(value, box, size.value, "form_field")


def _written(annotation: object, box: Box) -> Iterator[Fragment]:
    """Yield the lines of a note that is written on the page."""
    value = _wide(pdfium.FPDFAnnot_GetStringValue, annotation, b"Contents")
    yield from _lines(value, box, 0.0, "annotation")


def _lines(
    value: str, box: Box, size: float, means: Means, whole: bool = False
) -> Iterator[Fragment]:
    """Yield a text as lines that fill a box from its top, as programs that show it do.

    Args:
        size: of the type, in points; 0 where it is left to the program.
        whole: whether the text is one sign, to be kept together.
    """
    texts = [text for text in value.splitlines() if text.strip()]
    if not texts:
        return
    if size <= 0:
        size = min(_USUAL_SIZE, box.height / len(texts) / _LINE)
    columns = max(1, int(box.width / (_LETTER * size)))
    rows = [texts[0]] if whole else [row for text in texts for row in _wrapped(text, columns)]
    step = min(_LINE * size, box.height / len(rows))
    top = box.middle - step / 2 if len(rows) == 1 else box.top
    for row in rows:
        words = [row] if whole else row.split()
        advance = box.width / max(columns, len(row))
        left, placed = box.left, []
        for word in words:
            right = left + max(1, len(word)) * advance
            placed.append(Word(word, Box(left, top, min(right, box.right), top + step), size))
            left = right + advance
        yield fragment(placed, "text_layer", means)
        top += step


def _wrapped(text: str, columns: int) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > columns:
            yield line
            line = ""
        line = f"{line} {word}" if line else word
    if line:
        yield line


def _box(annotation: object, placing: Placing) -> Box | None:
    area = pdfium.FS_RECTF()
    if not pdfium.FPDFAnnot_GetRect(annotation, area):
        return None
    whole = Box(0, 0, placing.width, placing.height)
    box = placing.box(area.left, area.bottom, area.right, area.top).clipped(whole)
    return box if box.area > 0 else None


def _target(page: pypdfium2.PdfPage, annotation: object) -> str:
    link = pdfium.FPDFAnnot_GetLink(annotation)
    action = pdfium.FPDFLink_GetAction(link) if link else None
    if not action:
        return ""
    length = pdfium.FPDFAction_GetURIPath(page.pdf, action, None, 0)
    buffer = ctypes.create_string_buffer(length or 1)
    pdfium.FPDFAction_GetURIPath(page.pdf, action, buffer, length)
    return buffer.value.decode("utf-8", "replace")


def _wide(function: Callable[..., int], *arguments: object) -> str:
    """Return a UTF-16 string of PDFium, which says how many bytes it needs."""
    length = function(*arguments, None, 0)
    if length <= 2:
        return ""
    buffer = ctypes.create_string_buffer(length)
    function(*arguments, ctypes.cast(buffer, ctypes.POINTER(pdfium.FPDF_WCHAR)), length)
    return buffer.raw[: length - 2].decode("utf-16-le", "replace")
