"""What a PDF page draws beside text: pictures, lines, and what lies under pictures."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass

import pypdfium2  # type: ignore[import-untyped]
import pypdfium2.raw as pdfium  # type: ignore[import-untyped]

from ocr.geometry import Box
from ocr.text_layer.placing import Placing

_THIN = 3.0
"""Points. What is thinner is a line, not an area."""
_MOST_SHAPES = 5_000
"""Shapes of a page that are looked at: maps and plots have hundreds of thousands."""
_DEPTH = 3
_COVERING = 0.5
"""Share of the page from which a picture may be a scan that lies over its text."""


@dataclass(frozen=True, slots=True)
class Shapes:
    """What is drawn on a page.

    Attributes:
        pictures: where raster images are.
        rules: thin lines and the sides of boxes.
        paths: how many shapes there are.
        covers: large pictures that hide what was printed before them.
    """

    pictures: list[Box]
    rules: list[Box]
    paths: int
    covers: list[Box]


def shapes_of(page: pypdfium2.PdfPage, placing: Placing) -> Shapes:
    """Return what a page draws."""
    whole = Box(0, 0, placing.width, placing.height)
    shapes = Shapes([], [], 0, [])
    paths = 0
    kinds = [pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_PATH, pdfium.FPDF_PAGEOBJ_SHADING]
    for shape in page.get_objects(filter=kinds, max_depth=_DEPTH):
        try:
            box = placing.box(*shape.get_bounds())
        except pypdfium2.PdfiumError:
            continue
        if shape.type == pdfium.FPDF_PAGEOBJ_IMAGE:
            picture = box.clipped(whole)
            if picture.area > 0:
                shapes.pictures.append(picture)
            if picture.area > _COVERING * whole.area and not _lets_through(shape):
                shapes.covers.append(picture)
            continue
        paths += 1
        if paths > _MOST_SHAPES:
            break
        shapes.rules.extend(_sides(box, placing))
    return Shapes(shapes.pictures, shapes.rules, paths, shapes.covers)


def printed_before_covers(page: pypdfium2.PdfPage, placing: Placing) -> dict[int, Box]:
    """Return text objects by address, each with the picture that is drawn over it afterwards.

    A page paints its objects in their order, so what comes after hides what was there.
    """
    whole = Box(0, 0, placing.width, placing.height)
    covered: dict[int, Box] = {}
    waiting: list[int] = []
    kinds = [pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_TEXT]
    for shape in page.get_objects(filter=kinds, max_depth=_DEPTH):
        if shape.type == pdfium.FPDF_PAGEOBJ_TEXT:
            waiting.append(ctypes.addressof(shape.raw.contents))
            continue
        try:
            picture = placing.box(*shape.get_bounds()).clipped(whole)
        except pypdfium2.PdfiumError:
            continue
        if picture.area > _COVERING * whole.area and not _lets_through(shape):
            covered.update(dict.fromkeys(waiting, picture))
            waiting = []
    return covered


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
