"""What an engine is: something that reads the image of a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ocr.deadline import Deadline
from ocr.geometry import Box

Pixels = NDArray[np.uint8]
"""Rows of RGB pixels."""


@dataclass(frozen=True, slots=True)
class ReadWord:
    """A word and where it stands, in pixels of the image.

    Attributes:
        confidence: 0 to 1.
    """

    text: str
    box: Box
    confidence: float


@dataclass(frozen=True, slots=True)
class ReadLine:
    """Words that the engine saw as one line or part of one."""

    words: tuple[ReadWord, ...]
    box: Box


@dataclass(frozen=True, slots=True)
class LinesReading:
    """Text with its places; what belongs together is found by our own layout.

    Attributes:
        width: of the image once it was turned, in pixels.
        height: likewise.
        quarters: how often it was turned clockwise so that its text is upright.
        skew: degrees by which it was then turned anticlockwise, so that lines are level.
        upright: the image after both.
        unread: where lines were seen that could not be read: of another script, or handwriting.
    """

    lines: tuple[ReadLine, ...]
    width: int
    height: int
    quarters: int
    skew: float
    upright: Pixels
    unread: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class MarkdownReading:
    """A whole page as Markdown, from a model that also does the layout and gives no places."""

    markdown: str


Reading = LinesReading | MarkdownReading


class OcrEngine(Protocol):
    """Reads images. One instance is used by one thread."""

    name: str
    """For people and results, with its version or model."""
    whole_pages: bool
    """Whether it answers with Markdown, so that only whole pages make sense."""

    @property
    def alphabet(self) -> frozenset[str] | None:
        """All characters that it can write; None if there is no such list."""
        ...

    def read(self, image: Pixels, deadline: Deadline) -> Reading:
        """Read an image.

        Raises:
            PageFailed: there is no whole answer: cut off, out of time, or the engine failed.
        """
        ...

    def close(self) -> None:
        """Give back memory and connections."""
        ...
