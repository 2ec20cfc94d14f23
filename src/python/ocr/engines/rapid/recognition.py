"""Reads one line of text: a convolutional network whose steps are decoded by CTC (Graves, 2006)."""

from __future__ import annotations

import math
from collections.abc import Sequence
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

_FAINT_SPACE = 0.05
"""Probability of a space that is less likely than a blank, and yet is one in a wide gap: after a
wide letter such as `%`, the network sees too little of the gap. Where letters touch, it is 0.02 at
most (23 scans in nine fonts and four languages, clean, noisy, skewed and at 100 dpi)."""
_WIDE_GAP = 4
"""Steps from one letter to the next; in prose, letters of a word begin two or three apart."""


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
        return decoded(self._model.run(values)[0], self._characters, wide / _STEP)


def decoded(steps: Floats, characters: Sequence[str], used: float) -> list[ReadPiece]:
    """Return the words of a line: of each step the likeliest character, by greedy CTC decoding.

    Args:
        steps: probabilities, of shape (steps, characters).
        characters: the blank first, a space last.
        used: how many steps the line fills; those after it are padding.
    """
    best = steps.argmax(axis=1)
    begins = np.flatnonzero((best != _BLANK) & (np.diff(best, prepend=-1) != 0))
    spaces = steps[:, -1]
    words: list[ReadPiece] = []
    letters: list[tuple[str, int, float]] = []
    for step in (*begins.tolist(), -1):
        text = characters[best[step]] if step >= 0 else " "
        if letters and (text.isspace() or _faint_space(spaces, letters[-1][1], step)):
            words.append(_piece(letters, used))
            letters = []
        if not text.isspace():
            letters.append((text, step, float(steps[step, best[step]])))
    return words


def _faint_space(spaces: Floats, before: int, step: int) -> bool:
    """Return whether a space that was not the likeliest is between two letters all the same.

    Args:
        spaces: the probability of a space at each step.
        before: the step of the letter before.
    """
    if step - before < _WIDE_GAP:
        return False
    return bool(spaces[before + 1 : step].max() >= _FAINT_SPACE)


def _piece(letters: list[tuple[str, int, float]], used: float) -> ReadPiece:
    return ReadPiece(
        text="".join(text for text, _, _ in letters),
        start=max(0.0, (letters[0][1] - 0.5) / used),
        end=min(1.0, (letters[-1][1] + 1.5) / used),
        confidence=sum(confidence for _, _, confidence in letters) / len(letters),
    )


def _interpolation(height: int) -> int:
    return cv2.INTER_AREA if height > _HEIGHT else cv2.INTER_LINEAR
