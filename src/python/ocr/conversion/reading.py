"""The part of a conversion that is the engine's: from the image of a page to its blocks."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from ocr.conversion.account import accounted
from ocr.conversion.result import PageResult, failed_page
from ocr.deadline import Deadline
from ocr.documents.document import PageImage
from ocr.engines.engine import LinesReading, MarkdownReading, OcrEngine
from ocr.engines.rules import drawn_rules
from ocr.errors import PageFailed
from ocr.layout.block import Block
from ocr.layout.page_layout import lay_out
from ocr.text import Fragment, Word, fragment

_POINTS = 72.0
_TYPE_SIZE = 0.72
"""The size of type in lines that are this much higher: detection leaves room above and below."""


@dataclass(frozen=True, slots=True)
class PageToRead:
    """A page that an engine has to read.

    Attributes:
        reason: why, in one clause.
    """

    number: int
    image: PageImage
    reason: str
    deadline: Deadline


def read_page(page: PageToRead, engine: OcrEngine) -> PageResult:
    """Return a page as the engine reads it. One that fails is a result as well, with its error."""
    try:
        reading = engine.read(page.image.pixels, page.deadline)
        if isinstance(reading, MarkdownReading):
            result = _markdown_page(page, reading)
        else:
            result = _laid_out_page(page, reading)
        page.deadline.remaining()
    except PageFailed as error:
        result = failed_page(page.number, error)
    began = page.deadline.end - page.deadline.seconds
    return replace(result, seconds=time.monotonic() - began)


def fragments_of(reading: LinesReading, scale: float, left: float, top: float) -> list[Fragment]:
    """Return what was read, in points of the page.

    Args:
        scale: points for each pixel.
        left: of the image on the page.
        top: likewise.
    """
    found = []
    for line in reading.lines:
        words = [
            Word(
                word.text,
                word.box.scaled(scale).moved(left, top),
                line.box.height * scale * _TYPE_SIZE,
                confidence=word.confidence,
            )
            for word in line.words
        ]
        found.append(fragment(words, "ocr"))
    return found


def _laid_out_page(page: PageToRead, reading: LinesReading) -> PageResult:
    scale = _POINTS / page.image.dpi
    width, height = reading.width * scale, reading.height * scale
    rules = [rule.scaled(scale) for rule in drawn_rules(reading.upright)]
    fragments = fragments_of(reading, scale, 0, 0)
    result = PageResult(
        number=page.number,
        source="ocr",
        mixed=False,
        reason=page.reason,
        width=width,
        height=height,
        rotation=reading.quarters * 90,
        skew=round(reading.skew, 2),
        blocks=tuple(lay_out(fragments, rules, width, height)),
        seconds=0.0,
    )
    return accounted(result, fragments, [area.scaled(scale) for area in reading.unread])


def _markdown_page(page: PageToRead, reading: MarkdownReading) -> PageResult:
    scale = _POINTS / page.image.dpi
    height, width = page.image.pixels.shape[:2]
    block = Block("markdown", reading.markdown, None, "ocr")
    return PageResult(
        number=page.number,
        source="ocr",
        mixed=False,
        reason=page.reason,
        width=width * scale,
        height=height * scale,
        rotation=0,
        skew=0.0,
        blocks=(block,) if reading.markdown else (),
        seconds=0.0,
        read_by=(("ocr", len(reading.markdown)),),
    )
