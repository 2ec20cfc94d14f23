"""What a PDF page says about itself: characters, and where its pictures are."""

from __future__ import annotations

from dataclasses import dataclass

from ocr.geometry import Box
from ocr.text import Fragment


@dataclass(frozen=True, slots=True)
class TextLayer:
    """The text of a page with its places, before anybody has judged it.

    Attributes:
        width: of the page, in points, once it is turned so that most of its text is upright.
        height: likewise.
        quarters: how often it had to be turned clockwise for that.
        fragments: the visible text.
        characters: how many it has, spaces left out.
        unmapped: how many of them stand for nothing known: no Unicode value, a private one, or
            the replacement character.
        invisible: how many more are there without being shown, as they are over scans.
        pictures: where raster images are.
        rules: thin lines and the sides of boxes that are drawn.
        paths: how many shapes are drawn, which may be outlines of letters.
    """

    width: float
    height: float
    quarters: int
    fragments: tuple[Fragment, ...]
    characters: int
    unmapped: int
    invisible: int
    pictures: tuple[Box, ...]
    rules: tuple[Box, ...]
    paths: int
