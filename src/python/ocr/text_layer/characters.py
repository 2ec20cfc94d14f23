"""Reads the characters and shapes of a PDF page from PDFium, which is a C library behind ctypes."""

from __future__ import annotations

import ctypes
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pypdfium2  # type: ignore[import-untyped]
import pypdfium2.raw as pdfium  # type: ignore[import-untyped]

from ocr.geometry import Box
from ocr.text_layer.layer import TextLayer
from ocr.text_layer.placing import Placing, turned
from ocr.text_layer.words import Character, fragments_of

_BOLD_FROM = 600
"""Font weight, of 100 to 900."""
_INVISIBLE = pdfium.FPDF_TEXTRENDERMODE_INVISIBLE
_LIGATURES = {
    "\ufb00": "ff",
    "\ufb01": "fi",
    "\ufb02": "fl",
    "\ufb03": "ffi",
    "\ufb04": "ffl",
    "\ufb05": "st",
    "\ufb06": "st",
}
_LINE_END_HYPHEN = 2
"""What PDFium reports for a hyphen at the end of a line."""
_THIN = 3.0
"""Points. What is thinner is a line, not an area."""
_MOST_SHAPES = 5_000
"""Shapes of a page that are looked at: maps and plots have hundreds of thousands."""


@dataclass(frozen=True, slots=True)
class _Style:
    """What all characters of one text object have in common."""

    size: float
    bold: bool
    invisible: bool
    quarters: int


def read_text_layer(page: pypdfium2.PdfPage, placing: Placing) -> TextLayer:
    """Return the text, pictures and lines of a page."""
    text = page.get_textpage()
    try:
        characters = list(_characters(text, placing))
    finally:
        text.close()
    visible = [character for character in characters if not character.invisible]
    turns = Counter(character.quarters for character in visible)
    # Text that runs upwards (three quarters clockwise) is upright after one more quarter.
    quarters = -turns.most_common(1)[0][0] % 4 if turns else 0
    pictures, rules, paths = _shapes(page, placing)

    def turn(box: Box) -> Box:
        return turned(box, quarters, placing.width, placing.height)

    sides = (placing.width, placing.height)
    return TextLayer(
        *(sides[::-1] if quarters % 2 else sides),
        quarters=quarters,
        fragments=fragments_of(visible, quarters, placing.width, placing.height),
        characters=len(visible),
        unmapped=sum(character.unmapped for character in visible),
        invisible=len(characters) - len(visible),
        pictures=tuple(map(turn, pictures)),
        rules=tuple(map(turn, rules)),
        paths=paths,
    )


def _characters(text: pypdfium2.PdfTextPage, placing: Placing) -> Iterator[Character]:
    """Yield what is printed, in the order in which the page prints it."""
    raw = text.raw
    rectangle = pdfium.FS_RECTF()
    styles: dict[int, _Style] = {}
    space = True
    page = Box(0, 0, placing.width, placing.height)
    for index in range(text.count_chars()):
        code = pdfium.FPDFText_GetUnicode(raw, index)
        if code in (0x20, 0xA0, 0x0A, 0x0D, 0x09):
            space = True
            continue
        handle = pdfium.FPDFText_GetTextObject(raw, index)
        if not handle:
            continue
        key = ctypes.addressof(handle.contents)
        style = styles.get(key)
        if style is None:
            style = styles[key] = _style(raw, index, handle, placing)
        if not pdfium.FPDFText_GetLooseCharBox(raw, index, rectangle):
            continue
        box = placing.box(rectangle.left, rectangle.bottom, rectangle.right, rectangle.top)
        if not (0 <= box.centre <= page.right and 0 <= box.middle <= page.bottom):
            continue
        character = "-" if code == _LINE_END_HYPHEN else _character(code)
        yield Character(
            text=_LIGATURES.get(character, character),
            box=box,
            size=style.size,
            bold=style.bold,
            quarters=style.quarters,
            invisible=style.invisible,
            unmapped=_stands_for_nothing(code)
            or (code != _LINE_END_HYPHEN and pdfium.FPDFText_HasUnicodeMapError(raw, index) == 1),
            after_space=space,
        )
        space = False


def _character(code: int) -> str:
    return chr(code) if 0x20 <= code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF else "\ufffd"


def _stands_for_nothing(code: int) -> bool:
    return (
        code == 0xFFFD
        or (code < 0x20 and code != _LINE_END_HYPHEN)
        or 0x7F <= code < 0xA0
        or 0xE000 <= code <= 0xF8FF
        or 0xD800 <= code <= 0xDFFF
        or code >= 0xF0000
    )


def _style(raw: object, index: int, handle: object, placing: Placing) -> _Style:
    matrix = pdfium.FS_MATRIX()
    pdfium.FPDFText_GetMatrix(raw, index, matrix)
    right, down = placing.direction(matrix.a, matrix.b)
    quarters = round(math.atan2(down, right) / (math.pi / 2)) % 4
    size = pdfium.FPDFText_GetFontSize(raw, index) * math.hypot(matrix.c, matrix.d)
    return _Style(
        size=size if math.isfinite(size) and size > 0 else 1.0,
        bold=pdfium.FPDFText_GetFontWeight(raw, index) >= _BOLD_FROM or _named_bold(handle),
        invisible=pdfium.FPDFTextObj_GetTextRenderMode(handle) == _INVISIBLE,
        quarters=quarters,
    )


def _named_bold(handle: object) -> bool:
    font = pdfium.FPDFTextObj_GetFont(handle)
    name = ctypes.create_string_buffer(128)
    length = pdfium.FPDFFont_GetBaseFontName(font, name, len(name)) if font else 0
    return bool(length) and b"bold" in name.value.lower()


def _shapes(page: pypdfium2.PdfPage, placing: Placing) -> tuple[list[Box], list[Box], int]:
    """Return where pictures are, where lines are, and how many shapes there are."""
    pictures: list[Box] = []
    rules: list[Box] = []
    paths = 0
    kinds = [pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_PATH, pdfium.FPDF_PAGEOBJ_SHADING]
    for shape in page.get_objects(filter=kinds, max_depth=3):
        try:
            box = placing.box(*shape.get_bounds())
        except pypdfium2.PdfiumError:
            continue
        if shape.type == pdfium.FPDF_PAGEOBJ_IMAGE:
            pictures.append(box.clipped(Box(0, 0, placing.width, placing.height)))
            continue
        paths += 1
        if paths > _MOST_SHAPES:
            break
        rules.extend(_sides(box, placing))
    return [picture for picture in pictures if picture.area > 0], rules, paths


def _sides(box: Box, placing: Placing) -> Iterator[Box]:
    """Yield the lines that a drawn shape contributes: itself if it is thin, else its four sides."""
    if min(box.width, box.height) <= _THIN:
        if max(box.width, box.height) > 2 * _THIN:
            yield box
    elif box.area < 0.9 * placing.width * placing.height:
        yield Box(box.left, box.top, box.right, box.top)
        yield Box(box.left, box.bottom, box.right, box.bottom)
        yield Box(box.left, box.top, box.left, box.bottom)
        yield Box(box.right, box.top, box.right, box.bottom)
