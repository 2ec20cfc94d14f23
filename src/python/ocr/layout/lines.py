"""Fragments of one row, put together, and what the lines of a page have in common."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ocr.direction import in_reading_order, runs_from_right
from ocr.geometry import Box, around
from ocr.text import Fragment, Source, Word


@dataclass(frozen=True, slots=True)
class Line:
    """A printed line of one column."""

    words: tuple[Word, ...]
    box: Box
    source: Source

    @property
    def text(self) -> str:
        """Its words, as one string."""
        return " ".join(word.text for word in self.words)

    @property
    def size(self) -> float:
        """The size of most of its characters, in points."""
        return max(self.words, key=lambda word: len(word.text)).size

    @property
    def bold(self) -> bool:
        """Whether all of it is bold."""
        return all(word.bold for word in self.words)

    @property
    def from_right(self) -> bool:
        """Whether it is read from the right."""
        return runs_from_right(self.text)


def rows_of(fragments: Iterable[Fragment]) -> list[list[Fragment]]:
    """Return fragments by row, from the top; each row from the left."""
    rows: list[list[Fragment]] = []
    for piece in sorted(fragments, key=lambda piece: piece.box.middle):
        if rows and _beside(rows[-1], piece):
            rows[-1].append(piece)
        else:
            rows.append([piece])
    return [sorted(row, key=lambda piece: piece.box.left) for row in rows]


def lines_of(fragments: Iterable[Fragment]) -> list[Line]:
    """Return the lines of one column, from the top."""
    return [
        Line(
            tuple(_words_in_order(row)),
            around(piece.box for piece in row),
            "ocr" if any(piece.source == "ocr" for piece in row) else "text_layer",
        )
        for row in rows_of(fragments)
    ]


def _words_in_order(row: Sequence[Fragment]) -> Sequence[Word]:
    """Return the words of a row as they are read: from the right where its script runs so."""
    words = [word for piece in row for word in piece.words]
    if len(row) == 1 or all(word.text.isascii() for word in words):
        return words
    words.sort(key=lambda word: word.box.left)
    return in_reading_order(words, lambda word: word.text)


def body_size(fragments: Sequence[Fragment]) -> float:
    """Return the size in which most of the characters are set, in points; 0 if there are none."""
    return usual_size((word.size, len(word.text)) for piece in fragments for word in piece.words)


def usual_size(letters: Iterable[tuple[float, int]]) -> float:
    """Return the size in which most letters are set, in points; 0 if there are none.

    Args:
        letters: sizes, each with how many letters are set in it.
    """
    sizes: Counter[float] = Counter()
    for size, count in letters:
        sizes[round(size * 2) / 2] += count
    if not sizes:
        return 0.0
    # On slides, small print may be the most common of several sizes: half of all is no larger.
    half, total = sum(sizes.values()) / 2, 0
    for size in sorted(sizes):
        total += sizes[size]
        if total >= half:
            return max(size, sizes.most_common(1)[0][0])
    return sizes.most_common(1)[0][0]


def confidence_of(words: Iterable[Word]) -> float | None:
    """Return the mean over characters; None if nothing was recognised."""
    known = [(word.confidence, len(word.text)) for word in words if word.confidence is not None]
    letters = sum(count for _, count in known)
    return sum(confidence * count for confidence, count in known) / letters if letters else None


def usual_gap(lines: Sequence[Line]) -> float:
    """Return the space that mostly lies between two lines, in points."""
    gaps = [below.box.top - above.box.bottom for above, below in pairwise(lines)]
    return statistics.median(gaps) if gaps else 0.0


def _beside(row: Sequence[Fragment], piece: Fragment) -> bool:
    last = row[-1]
    level = abs(last.box.middle - piece.box.middle) < 0.5 * min(last.box.height, piece.box.height)
    return level and all(other.box.shared_width(piece.box) < 0.5 for other in row)
