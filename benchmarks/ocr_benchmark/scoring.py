"""How far a text is from the truth."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

_SPACES = re.compile(r"\s+")
_ALIKE = str.maketrans("\u2018\u2019\u201c\u201d\u2013\u2014\u2010", "''\"\"---")
_BULLET = re.compile(r"(?<!\S)[\u2022\u00b7\u25cf\u00bb\u00b0*e\u00a9](?=\s)")


def plain(text: str, spaces: bool = True) -> str:
    """Return a text as it is compared: quotes and dashes of one kind, one space between words.

    Args:
        spaces: whether they count; Chinese has none, and engines differ in adding some.
    """
    text = unicodedata.normalize("NFKC", text).translate(_ALIKE)
    return _SPACES.sub(" " if spaces else "", _BULLET.sub(" ", text)).strip()


def error_rate(truth: str, read: str) -> float:
    """Return the Levenshtein distance for each character of the truth."""
    return _distance(truth, read) / max(len(truth), 1)


def error_rate_without_order(truth: str, read: str) -> float:
    """Return the same with the words of both texts sorted, so that their order is left out.

    A word that is misread sorts to another place and so counts twice.
    """
    return error_rate(" ".join(sorted(truth.split())), " ".join(sorted(read.split())))


def cells_found(truth: Sequence[Sequence[str]], tables: Sequence[Sequence[Sequence[str]]]) -> int:
    """Return how many cells of a table are at their place in the table that has most of them."""
    best = 0
    for table in tables:
        found = sum(
            plain(cell) == plain(read)
            for row, other in zip(truth, table, strict=False)
            for cell, read in zip(row, other, strict=False)
        )
        best = max(best, found)
    return best


def _distance(first: str, second: str) -> int:
    """Return how many insertions, deletions and substitutions lead from one text to another."""
    if not first or not second:
        return max(len(first), len(second))
    letters = np.array([ord(letter) for letter in second], dtype=np.int64)
    steps = np.arange(len(second) + 1, dtype=np.int64)
    row = steps.copy()
    for number, letter in enumerate(first, 1):
        changed = np.minimum(row[1:] + 1, row[:-1] + (letters != ord(letter)))
        row = np.concatenate(([number], changed))
        # What comes from the left costs one for each step: a running minimum of row - steps.
        row = np.minimum.accumulate(row - steps) + steps
    return int(row[-1])
