"""Whether what was read of a line accounts for its ink.

A network that does not know a script reads a line of it as a few marks of punctuation, and is sure
of them. Their places tell: most of the line's ink lies beside them.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from ocr.engines.engine import Pixels
from ocr.engines.rapid.recognition import ReadPiece

_BAND = (0.1, 0.9)
"""Shares of a line's height between which its own ink is; beyond are its neighbours."""
_CONTRAST = 40
"""Levels of grey, of 255, between paper and ink; less is paper alone."""
_MARGIN = 0.35
"""Line heights around a word that are its own: places of letters are estimates."""
_GAP = 0.5
"""Line heights without ink that part two words."""
_LOW = 0.3
"""Line heights: dots that lead the eye, and lines to write on, are lower than letters."""
_FULL = 0.75
"""Share of a run's columns with ink from which it is a drawn line or a bar, and no letters."""
_WIDE = 1.2
"""Line heights from which a run of ink is a word and not a stain."""

Span = tuple[float, float]
"""Where something begins and ends, as shares of the line's width."""


def unread_spans(line: Pixels, pieces: Sequence[ReadPiece]) -> list[Span]:
    """Return where a line has ink like that of words, which no word that was read accounts for."""
    height, width = line.shape[:2]
    grey = cv2.cvtColor(line, cv2.COLOR_RGB2GRAY)
    band = grey[int(_BAND[0] * height) : max(int(_BAND[1] * height), 1)]
    if not band.size or int(band.max()) - int(band.min()) < _CONTRAST:
        return []
    _, ink = cv2.threshold(band, 0, 1, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    if 2 * int(ink.sum()) > ink.size:
        ink = 1 - ink  # light letters on dark paper
    columns = np.array(ink.max(axis=0), dtype=bool)
    for piece in pieces:
        start = int(piece.start * width - _MARGIN * height)
        columns[max(0, start) : int(piece.end * width + _MARGIN * height) + 1] = False
    return [
        (start / width, end / width)
        for start, end in _runs(columns, _GAP * height)
        if end - start >= _WIDE * height and _is_like_a_word(ink[:, start:end], height)
    ]


def _runs(columns: NDArray[np.bool_], gap: float) -> list[tuple[int, int]]:
    """Return runs of columns with ink; those that are nearer than a gap are one."""
    places = np.flatnonzero(columns)
    if not places.size:
        return []
    breaks = np.flatnonzero(np.diff(places) > gap)
    starts = [int(places[0]), *(int(places[index + 1]) for index in breaks)]
    ends = [*(int(places[index]) + 1 for index in breaks), int(places[-1]) + 1]
    return list(zip(starts, ends, strict=True))


def _is_like_a_word(ink: MatLike, height: int) -> bool:
    rows = np.flatnonzero(ink.any(axis=1))
    high = rows.size and rows[-1] - rows[0] >= _LOW * height
    # A rule has a row that is ink from end to end; letters leave paper between them.
    return bool(high) and float(ink.mean(axis=1).max()) < _FULL
