"""Columns of a table that no line parts: those between two upright lines that are far apart."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence

from ocr.geometry import Box
from ocr.layout.list_markers import is_marker
from ocr.text import Word

_WIDE = 1.0
"""Of the type's size: white space narrower than this may be that between two words."""
_FEWEST = 3
"""Rows with text on both sides of white space, from which it parts two columns."""
_MOST = 0.6
"""The same as a share of the rows that have text."""
_MOST_CUTS = 50
"""White stripes beside each other that are looked at: time grows with them times the words."""


def undrawn_columns(
    words: Sequence[Word], across: Sequence[float], down: Sequence[float]
) -> list[float]:
    """Return places of the upright lines, with those that are not drawn, from the left.

    Many tables have an outer box only, or a single line beside their first column. White space that
    runs down through all rows parts columns there as a line does. The first row is not asked: a
    head may span.

    Args:
        words: all that stand in the table.
        across: heights of the level lines, from the top.
        down: places of the upright lines, from the left.
    """
    columns: dict[int, dict[int, list[Word]]] = defaultdict(lambda: defaultdict(list))
    for word in words:
        column, row = bisect_left(down, word.box.centre), bisect_left(across, word.box.middle)
        if 0 < column < len(down):
            columns[column][row].append(word)
    places = list(down)
    for rows_by_place in columns.values():
        below_head = [rows_by_place[place] for place in sorted(rows_by_place)][1:]
        cuts = _white(below_head) if len(below_head) >= _FEWEST else []
        if len(cuts) <= _MOST_CUTS:
            places.extend(cut for cut in cuts if _parts(below_head, cut))
    return sorted(places)


def _white(rows: Sequence[Sequence[Word]]) -> list[float]:
    """Return the middle of each stripe that is white in all rows and wider than a space."""
    words = [word for row in rows for word in row]
    size = max(word.size for word in words)
    cuts: list[float] = []
    reach = min(word.box.left for word in words)
    for box in sorted((word.box for word in words), key=_left):
        if box.left - reach > _WIDE * size:
            cuts.append((reach + box.left) / 2)
        reach = max(reach, box.right)
    return cuts


def _left(box: Box) -> float:
    return box.left


def _parts(rows: Sequence[Sequence[Word]], cut: float) -> bool:
    """Return whether most rows have text on both sides, neither of which is a sign or a marker."""
    sides = [
        (
            " ".join(word.text for word in row if word.box.centre < cut),
            " ".join(word.text for word in row if word.box.centre > cut),
        )
        for row in rows
    ]
    both = sum(_is_text(before) and _is_text(after) for before, after in sides)
    return both >= _FEWEST and both >= _MOST * len(rows)


def _is_text(side: str) -> bool:
    return any(character.isalnum() for character in side) and not is_marker(side)
