"""What a PDF page says about itself: characters, and where its pictures are."""

from __future__ import annotations

from dataclasses import dataclass, field

from ocr.geometry import Box
from ocr.page_warning import PageWarning
from ocr.text import Fragment
from ocr.text_layer.annotations import Annotations


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
        hidden: the text that is there without being shown, as it is over and under scans.
        invisible: how many characters that has.
        hidden_unmapped: how many of them stand for nothing known.
        pictures: where raster images are.
        rules: thin lines and the sides of boxes that are drawn.
        paths: how many shapes are drawn, which may be outlines of letters.
        over: form fields, notes and links that lie over the page.
        warnings: what else is to be known, such as attachments of the document.
        watermarks: text that is printed aslant over the page, and no part of its lines.
    """

    width: float
    height: float
    quarters: int
    fragments: tuple[Fragment, ...]
    characters: int
    unmapped: int
    hidden: tuple[Fragment, ...]
    invisible: int
    hidden_unmapped: int
    pictures: tuple[Box, ...]
    rules: tuple[Box, ...]
    paths: int
    over: Annotations = field(default_factory=Annotations)
    watermarks: tuple[Fragment, ...] = ()
    warnings: tuple[PageWarning, ...] = ()
