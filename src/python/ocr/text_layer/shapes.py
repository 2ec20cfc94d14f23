"""What a PDF page draws beside text: pictures, lines, and what lies under pictures."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass

import pypdfium2  # type: ignore[import-untyped]
import pypdfium2.raw as pdfium  # type: ignore[import-untyped]

from ocr.geometry import Box, around
from ocr.text_layer.placing import Placing

_THIN = 3.0
"""Points. What is thinner is a line, not an area."""
_MOST_SHAPES = 5_000
"""Shapes of a page that are looked at: maps and plots have hundreds of thousands."""
_DEPTH = 3
_COVERING = 0.5
"""Share of the page from which pictures may be a scan that lies over its text."""
_STRIP = 3.0
"""Points by which strips of one scan may be apart, or reach over each other."""


@dataclass(frozen=True, slots=True)
class Shapes:
    """What is drawn on a page.

    Attributes:
        pictures: where raster images are.
        rules: thin lines and the sides of boxes.
        paths: how many shapes there are.
        covered: whether pictures are so large that they may hide what was printed before them.
    """

    pictures: list[Box]
    rules: list[Box]
    paths: int
    covered: bool


def shapes_of(page: pypdfium2.PdfPage, placing: Placing) -> Shapes:
    """Return what a page draws."""
    whole = Box(0, 0, placing.width, placing.height)
    pictures: list[Box] = []
    rules: list[Box] = []
    paths, opaque = 0, 0.0
    kinds = [pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_PATH, pdfium.FPDF_PAGEOBJ_SHADING]
    for shape in page.get_objects(filter=kinds, max_depth=_DEPTH):
        try:
            box = placing.box(*shape.get_bounds())
        except pypdfium2.PdfiumError:
            continue
        if shape.type == pdfium.FPDF_PAGEOBJ_IMAGE:
            picture = box.clipped(whole)
            if picture.area <= 0:
                continue
            opaque += 0.0 if _lets_through(shape) else picture.area
            if pictures and _is_next_strip(pictures[-1], picture):
                pictures[-1] = around((pictures[-1], picture))
            else:
                pictures.append(picture)
            continue
        paths += 1
        if paths > _MOST_SHAPES:
            break
        rules.extend(_sides(box, placing))
    return Shapes(pictures, rules, paths, opaque > _COVERING * whole.area)


def printed_before_covers(page: pypdfium2.PdfPage, placing: Placing) -> dict[int, tuple[Box, ...]]:
    """Return text objects by address, each with the pictures that are drawn after it.

    A page paints its objects in their order, so what comes after hides what was there. Scanners
    write a page as one picture or as strips, which are put together here.
    """
    whole = Box(0, 0, placing.width, placing.height)
    pictures: list[Box] = []
    printed: dict[int, int] = {}
    after_text = True
    kinds = [pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_TEXT]
    for shape in page.get_objects(filter=kinds, max_depth=_DEPTH):
        if shape.type == pdfium.FPDF_PAGEOBJ_TEXT:
            printed[ctypes.addressof(shape.raw.contents)] = len(pictures)
            after_text = True
            continue
        try:
            picture = placing.box(*shape.get_bounds()).clipped(whole)
        except pypdfium2.PdfiumError:
            continue
        if picture.area <= 0 or _lets_through(shape):
            continue
        if not after_text and _is_next_strip(pictures[-1], picture):
            pictures[-1] = around((pictures[-1], picture))
        else:
            pictures.append(picture)
        after_text = False
    later = [tuple(pictures[index:]) for index in range(len(pictures) + 1)]
    return {address: later[index] for address, index in printed.items() if later[index]}


def _is_next_strip(last: Box, picture: Box) -> bool:
    """Return whether a picture goes on where the last one ends, above, below or beside it."""
    same_width = abs(last.left - picture.left) + abs(last.right - picture.right) <= 2 * _STRIP
    same_height = abs(last.top - picture.top) + abs(last.bottom - picture.bottom) <= 2 * _STRIP
    below = min(abs(last.bottom - picture.top), abs(last.top - picture.bottom)) <= _STRIP
    beside = min(abs(last.right - picture.left), abs(last.left - picture.right)) <= _STRIP
    return (same_width and below) or (same_height and beside)


def _lets_through(picture: pypdfium2.PdfObject) -> bool:
    return bool(pdfium.FPDFPageObj_HasTransparency(picture.raw))


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
