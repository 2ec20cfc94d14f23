"""What comes out of a conversion. Values only, so that they can be sent to another process."""

from __future__ import annotations

from dataclasses import dataclass

from ocr.errors import PageFailed
from ocr.geometry import Box
from ocr.layout.block import Block
from ocr.page_warning import PageWarning
from ocr.text import Means, Source


@dataclass(frozen=True, slots=True)
class PageError:
    """Why a page has no text.

    Attributes:
        code: for programs, such as `page_timed_out`.
        message: for people.
    """

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class PageResult:
    """One page: its blocks, or why there are none.

    Attributes:
        number: the first page is 1.
        source: where the text is from; `ocr` if any of it was recognised. None if the page failed.
        mixed: whether it has text from the text layer as well as recognised text.
        reason: why this source, in one clause.
        width: of the page as it is read, in points.
        height: likewise.
        rotation: degrees by which the page was turned clockwise so that its text is upright.
        skew: degrees by which the scan's lines fell to the right, before they were straightened.
        blocks: in reading order.
        seconds: of work.
        error: None for a page that was read to its end.
        read_by: characters, by the means by which they were read.
        confidence: of what was recognised, 0 to 1: the mean over characters; else None.
        unread_areas: where text was seen and could not be read, in points.
        unread_share: their area, as a share of all areas in which the engine saw text.
        warnings: what the page lacks, and what else is to be known.
    """

    number: int
    source: Source | None
    mixed: bool
    reason: str
    width: float
    height: float
    rotation: int
    skew: float
    blocks: tuple[Block, ...]
    seconds: float
    error: PageError | None = None
    read_by: tuple[tuple[Means, int], ...] = ()
    confidence: float | None = None
    unread_areas: tuple[Box, ...] = ()
    unread_share: float = 0.0
    warnings: tuple[PageWarning, ...] = ()


def failed_page(number: int, error: PageFailed) -> PageResult:
    """Return the result of a page that could not be read."""
    return PageResult(
        number=number,
        source=None,
        mixed=False,
        reason="",
        width=0.0,
        height=0.0,
        rotation=0,
        skew=0.0,
        blocks=(),
        seconds=0.0,
        error=PageError(error.code, str(error)),
    )
