"""Reads one line of text: a convolutional network whose steps are decoded by CTC (Graves, 2006)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from ocr.engines.engine import Pixels
from ocr.engines.rapid.session import RECOGNITION, Floats, Model

_HEIGHT = 48
"""Pixels: the only height that the network takes."""
_STEP = 8
"""Pixels of width for one step of the output."""
_NARROWEST = 16
_WIDEST = 3_200
"""Pixels. A line this long is a rule or a mistake, and costs seconds."""
_BLANK = 0


@dataclass(frozen=True, slots=True)
class ReadPiece:
    """A word of a line.

    Attributes:
        start: where it begins, as a share of the line's width.
        end: where it ends.
        confidence: mean over its characters, 0 to 1.
    """

    text: str
    start: float
    end: float
    confidence: float


class Recogniser:
    """Reads lines. Not to be used by two threads at once."""

    def __init__(self, threads: int) -> None:
        self._model = Model(RECOGNITION, threads)
        self._characters = ["", *self._model.metadata("character").split("\n"), " "]
        self.alphabet = frozenset(self._characters) - {""}
        """What it can write."""

    def read(self, line: Pixels, narrowing: float = 1.0) -> list[ReadPiece]:
        """Return the words of a line.

        Args:
            line: its image, upright and without much around it.
            narrowing: factor on its width. The network's work is in proportion to the width, and it
                bears a good deal.
        """
        height, width = line.shape[:2]
        wide = min(max(math.ceil(width / height * _HEIGHT * narrowing), _NARROWEST), _WIDEST)
        scaled = cv2.resize(line, (wide, _HEIGHT), interpolation=_interpolation(height))
        padded = math.ceil(wide / _STEP) * _STEP
        values = np.zeros((1, 3, _HEIGHT, padded), np.float32)
        values[0, :, :, :wide] = (scaled[:, :, ::-1].astype(np.float32) / 127.5 - 1).transpose(
            2, 0, 1
        )
        return self._words(self._model.run(values)[0], wide / _STEP)

    def _words(self, steps: Floats, used: float) -> list[ReadPiece]:
        best = steps.argmax(axis=1)
        begins = np.flatnonzero((best != _BLANK) & (np.diff(best, prepend=-1) != 0))
        words: list[ReadPiece] = []
        letters: list[tuple[str, int, float]] = []
        for step in (*begins.tolist(), -1):
            text = self._characters[best[step]] if step >= 0 else " "
            if not text.isspace():
                letters.append((text, step, float(steps[step, best[step]])))
            elif letters:
                words.append(_piece(letters, used))
                letters = []
        return words


def _piece(letters: list[tuple[str, int, float]], used: float) -> ReadPiece:
    return ReadPiece(
        text="".join(text for text, _, _ in letters),
        start=max(0.0, (letters[0][1] - 0.5) / used),
        end=min(1.0, (letters[-1][1] + 1.5) / used),
        confidence=sum(confidence for _, _, confidence in letters) / len(letters),
    )


def _interpolation(height: int) -> int:
    return cv2.INTER_AREA if height > _HEIGHT else cv2.INTER_LINEAR
