"""Reads the characters of a PDF page from PDFium, which is a C library behind ctypes."""

from __future__ import annotations

import ctypes
import math
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import pypdfium2  # type: ignore[import-untyped]
import pypdfium2.raw as pdfium  # type: ignore[import-untyped]

from ocr.geometry import Box, around
from ocr.text import Fragment, Word, fragment
from ocr.text_layer.annotations import annotations_of, turned_annotations
from ocr.text_layer.character import Character
from ocr.text_layer.hidden_content import is_optional, switched_off
from ocr.text_layer.layer import TextLayer
from ocr.text_layer.lost_text import FEW, lost_text
from ocr.text_layer.placing import Placing, turned
from ocr.text_layer.shapes import printed_before_covers, shapes_of
from ocr.text_layer.vertical import with_columns_turned
from ocr.text_layer.words import fragments_of

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
_SLANTED = math.radians(10)
"""How far text is turned from any quarter that is no line of the page, but a watermark on it."""
_WATERMARK = 1.5
"""Times the size of most characters."""
_FIXED_PITCH = 1
"""Bit of a font descriptor's flags (ISO 32000-1, table 123)."""
_FIXED_NAMES = (b"courier", b"mono", b"consolas", b"menlo", b"typewriter")


@dataclass(frozen=True, slots=True)
class _Style:
    """What all characters of one text object have in common."""

    size: float
    bold: bool
    fixed: bool
    invisible: bool
    quarters: int
    slanted: bool
    covers: tuple[Box, ...]
    optional: bool


def read_text_layer(page: pypdfium2.PdfPage, placing: Placing) -> TextLayer:
    """Return the text, pictures and lines of a page."""
    shapes = shapes_of(page, placing)
    covered = printed_before_covers(page, placing) if shapes.covered else {}
    text = page.get_textpage()
    styles: dict[int, _Style] = {}
    try:
        characters = list(_characters(text, placing, covered, styles))
    finally:
        text.close()
    if any(style.optional for style in styles.values()):
        off = switched_off(page)
        characters = [character for character in characters if character.origin not in off]
    characters = with_columns_turned(characters)
    shown = [character for character in characters if not character.invisible]
    hidden = [character for character in characters if character.invisible]
    visible, watermarks = _without_watermarks(shown)
    turns = Counter(character.quarters for character in visible or hidden)
    # Text that runs upwards (three quarters clockwise) is upright after one more quarter.
    quarters = -turns.most_common(1)[0][0] % 4 if turns else 0
    sides = (placing.width, placing.height)

    def turn(box: Box) -> Box:
        return turned(box, quarters, *sides)

    over = turned_annotations(annotations_of(page, placing), quarters, *sides)
    return TextLayer(
        *(sides[::-1] if quarters % 2 else sides),
        quarters=quarters,
        fragments=fragments_of(visible, quarters, *sides),
        characters=len(visible),
        unmapped=sum(character.unmapped for character in visible),
        hidden=fragments_of(hidden, quarters, *sides),
        invisible=len(hidden),
        hidden_unmapped=sum(character.unmapped for character in hidden),
        pictures=tuple(map(turn, shapes.pictures)),
        rules=tuple(map(turn, shapes.rules)),
        paths=shapes.paths,
        over=over,
        watermarks=tuple(watermarks),
        warnings=lost_text(page) if len(characters) < FEW else (),
    )


def _characters(
    text: pypdfium2.PdfTextPage,
    placing: Placing,
    covered: Mapping[int, tuple[Box, ...]],
    styles: dict[int, _Style],
) -> Iterator[Character]:
    """Yield what is printed, in the order in which the page prints it.

    Args:
        covered: text objects, each with the pictures that lie over it.
        styles: filled with those of all text objects.
    """
    raw = text.raw
    rectangle = pdfium.FS_RECTF()
    space, guessed = True, False
    page = Box(0, 0, placing.width, placing.height)
    for index in range(text.count_chars()):
        code = pdfium.FPDFText_GetUnicode(raw, index)
        if code in (0x20, 0xA0, 0x0A, 0x0D, 0x09):
            guessed = (not space or guessed) and pdfium.FPDFText_IsGenerated(raw, index) == 1
            space = True
            continue
        handle = pdfium.FPDFText_GetTextObject(raw, index)
        if not handle:
            continue
        key = ctypes.addressof(handle.contents)
        style = styles.get(key)
        if style is None:
            style = styles[key] = _style(raw, index, handle, placing, covered.get(key, ()))
        if not pdfium.FPDFText_GetLooseCharBox(raw, index, rectangle):
            continue
        box = placing.box(rectangle.left, rectangle.bottom, rectangle.right, rectangle.top)
        if not (0 <= box.centre <= page.right and 0 <= box.middle <= page.bottom):
            continue
        character = "-" if code == _LINE_END_HYPHEN else _character(code)
        under = any(box.within(cover) for cover in style.covers)
        yield Character(
            text=_LIGATURES.get(character, character),
            box=box,
            size=style.size,
            bold=style.bold,
            quarters=style.quarters,
            invisible=style.invisible or under,
            unmapped=_stands_for_nothing(code)
            or (code != _LINE_END_HYPHEN and pdfium.FPDFText_HasUnicodeMapError(raw, index) == 1),
            after_space=space,
            guessed_space=guessed,
            slanted=style.slanted,
            origin=key,
            fixed=style.fixed,
        )
        space, guessed = False, False


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


def _style(
    raw: object, index: int, handle: object, placing: Placing, covers: tuple[Box, ...]
) -> _Style:
    matrix = pdfium.FS_MATRIX()
    pdfium.FPDFText_GetMatrix(raw, index, matrix)
    right, down = placing.direction(matrix.a, matrix.b)
    angle = math.atan2(down, right)
    nearest = round(angle / (math.pi / 2))
    size = pdfium.FPDFText_GetFontSize(raw, index) * math.hypot(matrix.c, matrix.d)
    font = pdfium.FPDFTextObj_GetFont(handle)
    name = _font_name(font)
    return _Style(
        size=size if math.isfinite(size) and size > 0 else 1.0,
        bold=pdfium.FPDFText_GetFontWeight(raw, index) >= _BOLD_FROM or b"bold" in name,
        fixed=any(part in name for part in _FIXED_NAMES)
        or bool(font and pdfium.FPDFFont_GetFlags(font) & _FIXED_PITCH),
        invisible=pdfium.FPDFTextObj_GetTextRenderMode(handle) == _INVISIBLE,
        quarters=nearest % 4,
        slanted=abs(angle - nearest * math.pi / 2) > _SLANTED,
        covers=covers,
        optional=is_optional(handle),
    )


def _font_name(font: object) -> bytes:
    name = ctypes.create_string_buffer(128)
    length = pdfium.FPDFFont_GetBaseFontName(font, name, len(name)) if font else 0
    return name.value.lower() if length else b""


def _without_watermarks(
    characters: Sequence[Character],
) -> tuple[list[Character], list[Fragment]]:
    """Return characters without large slanted ones, and those as fragments of their own."""
    if not any(character.slanted for character in characters):
        return list(characters), []
    usual = statistics.median(character.size for character in characters)

    def is_watermark(character: Character) -> bool:
        return character.slanted and character.size > _WATERMARK * usual

    marks = []
    for _, group in groupby(filter(is_watermark, characters), key=lambda one: one.origin):
        letters = list(group)
        text = "".join(f" {one.text}" if one.after_space else one.text for one in letters)
        box = around(one.box for one in letters)
        marks.append(fragment([Word(text.strip(), box, letters[0].size)], "text_layer"))
    return [character for character in characters if not is_watermark(character)], marks
