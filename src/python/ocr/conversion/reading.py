"""The part of a conversion that is the engine's: from the image of a page to its blocks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ocr.conversion.account import accounted, counted
from ocr.conversion.layer_page import Fallback
from ocr.conversion.result import PageResult, failed_page
from ocr.deadline import Deadline
from ocr.documents.document import PageImage
from ocr.engines.engine import LinesReading, MarkdownReading, OcrEngine
from ocr.engines.rules import drawn_rules
from ocr.errors import PageFailed
from ocr.layout.block import Block
from ocr.layout.page_layout import lay_out
from ocr.page_warning import PageWarning
from ocr.text import Fragment, Word, fragment
from ocr.text_layer.annotations import Annotations

_POINTS = 72.0
_UNREADABLE = 0.3
"""Share of what looks like text, and could not be read, from which a layer is better."""
_FEWER = 0.5
"""An engine that reads fewer of a layer's characters than this share did not read the page."""
_TYPE_SIZE = 0.72
"""The size of type in lines that are this much higher: detection leaves room above and below."""


@dataclass(frozen=True, slots=True)
class PageToRead:
    """A page that an engine has to read.

    Attributes:
        reason: why, in one clause.
        fallback: the page as a layer has it that is second to what is read.
        over: form fields and notes that lie over the page, as its layer says.
        quarters: how often the page was turned clockwise for those.
        warnings: what its document says of the page.
    """

    number: int
    image: PageImage
    reason: str
    deadline: Deadline
    fallback: Fallback | None = None
    over: Annotations = field(default_factory=Annotations)
    quarters: int = 0
    warnings: tuple[PageWarning, ...] = ()


def read_page(page: PageToRead, engine: OcrEngine) -> PageResult:
    """Return a page as the engine reads it. One that fails is a result as well, with its error."""
    try:
        reading = engine.read(page.image.pixels, page.deadline)
        if isinstance(reading, MarkdownReading):
            result = _markdown_page(page, reading)
        else:
            result = _better(page.fallback, _laid_out_page(page, reading))
        page.deadline.remaining()
        result = replace(result, warnings=(*page.image.warnings, *result.warnings))
    except PageFailed as error:
        result = failed_page(page.number, error)
    began = page.deadline.end - page.deadline.seconds
    return replace(result, seconds=time.monotonic() - began)


def _better(fallback: Fallback | None, read: PageResult) -> PageResult:
    """Return what was read, or what the layer says where the engine could not read the page."""
    if fallback is None:
        return read
    letters = sum(count for means, count in read.read_by if means == "ocr")
    if read.unread_share > _UNREADABLE or letters < _FEWER * fallback.letters:
        return fallback.result
    return read


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
    if page.quarters == reading.quarters:
        # What the document itself says of its fields is surer than their picture.
        said = page.over.fragments
        fragments = [piece for piece in fragments if not _is_said(piece, said)] + list(said)
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
        warnings=page.warnings,
    )
    unread = [area.scaled(scale) for area in reading.unread]
    return accounted(counted(result, fragments), unread)


def _is_said(piece: Fragment, said: Sequence[Fragment]) -> bool:
    """Return whether a field or note stands where something was recognised."""
    return any(piece.box.within(other.box) for other in said)


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
        warnings=page.warnings,
        read_by=(("ocr", len(reading.markdown)),),
    )
