"""Rows of a table that no line parts: those between two level lines that are far apart."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from ocr.geometry import around
from ocr.layout.lines import rows_of
from ocr.layout.table_cells import is_number
from ocr.text import Fragment, Word, fragment

_FILLED = 0.5
"""Share of the columns in which a line has something, from which it is a row and not the
continuation of one."""
_FEWEST = 3
"""Lines of words in all columns that are rows; two may be a head of two lines."""

Run = Sequence[Word]


def parted_rows(runs: Sequence[Run], down: Sequence[float]) -> list[list[Run]]:
    """Return the texts between two level lines by row.

    A cell may have several lines. But where a column has a number in line after line, each is a row
    of its own, and so is each where all columns have words in every line.

    Args:
        runs: words that belong to one cell.
        down: places of the upright lines, from the left.
    """
    pieces = {id(run): run for run in runs}
    fragments = [(fragment(run, "text_layer"), key) for key, run in pieces.items()]
    keys = {id(piece): key for piece, key in fragments}
    lines = rows_of(piece for piece, _ in fragments)
    starts = _starts(lines, down)
    if len(starts) < 2:
        return [list(runs)]
    parted: list[list[Run]] = [[] for _ in starts]
    for index, line in enumerate(lines):
        row = max(0, sum(1 for start in starts if start <= index) - 1)
        parted[row].extend(pieces[keys[id(piece)]] for piece in line)
    return parted


def _starts(lines: Sequence[Sequence[Fragment]], down: Sequence[float]) -> list[int]:
    """Return at which lines rows begin; nothing where all lines are one row."""
    if len(lines) < 2:
        return []
    cells = [_by_column(line, down) for line in lines]
    columns = sorted({column for row in cells for column in row})
    if len(columns) < 2:
        return []
    numbered = [
        [index for index, row in enumerate(cells) if column in row]
        for column in columns
        if all(is_number(row[column]) for row in cells if column in row)
    ]
    starts = max(numbered, key=len, default=[])
    if len(starts) >= 2 and all(len(cells[index]) >= _FILLED * len(columns) for index in starts):
        return starts
    full = all(len(row) == len(columns) for row in cells)
    return list(range(len(lines))) if full and len(lines) >= _FEWEST and _is_short(cells) else []


def _by_column(line: Sequence[Fragment], down: Sequence[float]) -> dict[int, str]:
    cells: dict[int, str] = {}
    for piece in line:
        column = bisect_left(down, around(word.box for word in piece.words).left + 1.0)
        cells[column] = f"{cells[column]} {piece.text}" if column in cells else piece.text
    return cells


def _is_short(cells: Sequence[dict[int, str]]) -> bool:
    """Return whether no line goes on in the next: then all but a few begin with a capital."""
    texts = [text for row in cells for text in row.values()]
    return sum(text[:1].islower() for text in texts) < 0.2 * len(texts)
