"""Text that runs from the right: which it is, and the order in which it is read.

A simplification of Unicode's bidirectional algorithm (UAX 9), run backwards: from places on the
page to the order of reading. Runs of letters from the right are reversed, numbers and Latin words
within them are not.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Literal, TypeVar

Direction = Literal["left", "right", "neutral"]
"""Where a run of text begins; neutral ones go with their neighbours."""

_Piece = TypeVar("_Piece")

_FIRST_FROM_RIGHT = "\u0590"
"""No script before this one in Unicode runs from the right."""


def direction_of(character: str) -> Direction:
    """Return where text of a character begins: numbers begin at the left in every script."""
    if character < _FIRST_FROM_RIGHT:
        return "left" if character.isalnum() else "neutral"
    kind = unicodedata.bidirectional(character)
    if kind in ("R", "AL"):
        return "right"
    return "left" if kind in ("L", "EN", "AN") else "neutral"


def runs_from_right(text: str) -> bool:
    """Return whether most letters of a text are of scripts that run from the right."""
    if max(text, default="") < _FIRST_FROM_RIGHT:
        return False
    letters = [direction_of(character) for character in text if character.isalpha()]
    return 2 * letters.count("right") > len(letters)


def in_reading_order(
    pieces: Sequence[_Piece], text_of: Callable[[_Piece], str], from_right: bool | None = None
) -> list[_Piece]:
    """Return pieces of one line in the order in which they are read.

    Args:
        pieces: from the left to the right, as they are printed.
        from_right: whether the line runs from the right; None to tell by its letters.
    """
    texts = [text_of(piece) for piece in pieces]
    if max("".join(texts), default="") < _FIRST_FROM_RIGHT:
        return list(pieces)
    if from_right is None:
        from_right = runs_from_right("".join(texts))
    against: Direction = "left" if from_right else "right"
    directions = _resolved([_own(text) for text in texts], "right" if from_right else "left")
    ordered: list[_Piece] = []
    for direction, run in groupby(zip(directions, pieces, strict=True), key=lambda pair: pair[0]):
        together = [piece for _, piece in run]
        # Runs against the line's direction are turned twice, and so keep their order.
        ordered = _put(ordered, together, from_right, turned=direction == against)
    return ordered


def _put(ordered: list[_Piece], run: list[_Piece], from_right: bool, turned: bool) -> list[_Piece]:
    if from_right:
        return (run if turned else run[::-1]) + ordered
    return ordered + (run[::-1] if turned else run)


def _own(text: str) -> Direction:
    """Return the direction of a piece by its own letters; numbers only if it has none."""
    if runs_from_right(text):
        return "right"
    return "left" if any(direction_of(character) == "left" for character in text) else "neutral"


def _resolved(directions: Iterable[Direction], line: Direction) -> list[Direction]:
    """Return directions in which neutral pieces go with what encloses them, else with the line."""
    resolved = list(directions)
    for index, direction in enumerate(resolved):
        if direction != "neutral":
            continue
        before = resolved[index - 1] if index else line
        after = next((other for other in resolved[index:] if other != "neutral"), line)
        resolved[index] = before if before == after else line
    return resolved
