"""Compares a doubtful text layer with what a sample of the page looks like to an engine."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from ocr.deadline import Deadline
from ocr.documents.document import PageImage
from ocr.engines.engine import LinesReading, OcrEngine
from ocr.geometry import around
from ocr.text import Fragment

_LINES = 4
_ALIKE = 0.7
"""Share of characters in common from which the layer says what is printed."""
_POINTS = 72.0


def says_the_same(
    fragments: Sequence[Fragment], image: PageImage, engine: OcrEngine, deadline: Deadline
) -> bool:
    """Return whether the engine reads what the layer says, in the layer's longest lines.

    Raises:
        PageFailed: the engine gave no answer.
    """
    longest = sorted(fragments, key=lambda piece: -len(piece.text))[:_LINES]
    scale = image.dpi / _POINTS
    for piece in longest:
        area = around(word.box for word in piece.words).grown(2.0).scaled(scale)
        height, width = image.pixels.shape[:2]
        left, top = max(0, int(area.left)), max(0, int(area.top))
        cut = image.pixels[top : min(height, int(area.bottom)), left : min(width, int(area.right))]
        if not cut.size:
            return False
        reading = engine.read(cut, deadline)
        if not isinstance(reading, LinesReading):
            return False
        read = "".join(word.text for line in reading.lines for word in line.words)
        said = "".join(word.text for word in piece.words)
        if SequenceMatcher(None, read, said, autojunk=False).ratio() < _ALIKE:
            return False
    return True
