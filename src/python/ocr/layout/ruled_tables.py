"""Tables whose cells are enclosed by drawn lines, all of them or some."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ocr.geometry import Box, around
from ocr.layout.block import Block
from ocr.layout.joining import joined
from ocr.layout.lines import lines_of
from ocr.layout.networks import NEAR, networks_of
from ocr.layout.table_cells import table_block
from ocr.layout.undrawn_columns import undrawn_columns
from ocr.layout.undrawn_rows import parted_rows
from ocr.text import Fragment, Word, fragment

_APART = 1.0
"""Of the type's size: words that stand further apart are two texts, which an undrawn line parts."""
_GOES_ON = 0.2
"""Share of lines that begin with a small letter, from which they are lines of running text."""
_MOSTLY = 0.5
"""Share of the rows in which a line is drawn from which a row without it has a cell that spans."""


def ruled_tables(
    rules: Sequence[Box], fragments: Sequence[Fragment]
) -> tuple[list[Block], list[Fragment]]:
    """Return the tables that lines enclose, and the text that is in none of them."""
    tables: list[Block] = []
    left_over = list(fragments)
    for network in networks_of(rules):
        across = _merged(rule.middle for rule in network if rule.width >= rule.height)
        down = _merged(rule.centre for rule in network if rule.height > rule.width)
        if len(across) < 2 or len(down) < 2 or (len(across) == 2 and len(down) == 2):
            continue
        area = around(network)
        inside = [piece for piece in left_over if piece.box.within(area.grown(NEAR), 0.6)]
        if not inside:
            continue
        words = [word for piece in inside for word in piece.words]
        down = undrawn_columns(words, across, down)
        table = _table(inside, _Grid(across, down, _drawn(network, across, down)), area)
        if table is not None:
            tables.append(table)
            taken = set(map(id, inside))
            left_over = [piece for piece in left_over if id(piece) not in taken]
    return tables, left_over


@dataclass(frozen=True, slots=True)
class _Grid:
    """The lines of a table.

    Attributes:
        across: heights of the level ones, from the top.
        down: places of the upright ones, from the left.
        drawn: for each row, the indices of the upright lines that are drawn in it.
    """

    across: Sequence[float]
    down: Sequence[float]
    drawn: Sequence[frozenset[int]]

    def mostly_drawn(self, index: int) -> bool:
        """Return whether an upright line is drawn in most rows."""
        return sum(index in row for row in self.drawn) > _MOSTLY * len(self.drawn)

    def place(self, word: Box) -> tuple[int, int]:
        """Return the row and the column in which a word stands."""
        return _place(word.middle, self.across), _place(word.centre, self.down)


def _table(inside: Sequence[Fragment], grid: _Grid, area: Box) -> Block | None:
    """Return the table of a grid, or None if it encloses too little to be one."""
    rows = len(grid.across) - 1
    texts: list[list[list[Word]]] = [[] for _ in range(rows)]
    for piece in inside:
        for run in _runs(piece, grid):
            texts[grid.place(around(word.box for word in run))[0]].append(run)
    cells = [
        _row_cells(part, row, grid)
        for row, runs in enumerate(texts)
        for part in parted_rows(runs, grid.down)
    ]
    filled = [[_cell_text(cell) for cell in row] for row in cells]
    filled = [row for row in filled if any(row)]
    used = [column for column in range(len(grid.down) - 1) if any(row[column] for row in filled)]
    filled = [[row[column] for column in used] for row in filled]
    if len(filled) < 2 and len(used) < 2:
        return None
    if len(filled) * len(used) < 3:
        return None
    if len(used) == 1 and _is_running_text([text for (text,) in filled]):
        return None
    return table_block(filled, area, inside)


def _is_running_text(texts: Sequence[str]) -> bool:
    """Return whether boxes below each other hold the lines of one text, as coloured bands do."""
    goes_on = sum(text[:1].islower() for text in texts)
    return goes_on >= _GOES_ON * len(texts)


def _runs(piece: Fragment, grid: _Grid) -> list[list[Word]]:
    """Return words that belong to one cell because nothing but a space is between them.

    A line that is drawn between two words parts them however near they are.
    """
    runs: list[list[Word]] = [[piece.words[0]]]
    for before, word in pairwise(piece.words):
        row, column = grid.place(word.box)
        last_row, last = grid.place(before.box)
        between = range(min(last, column) + 1, max(last, column) + 1)
        apart = max(word.box.left - before.box.right, before.box.left - word.box.right)
        parted = any(edge in grid.drawn[row] for edge in between) or row != last_row
        if parted or (between and apart > _APART * word.size):
            runs.append([])
        runs[-1].append(word)
    return runs


def _row_cells(runs: Sequence[Sequence[Word]], row: int, grid: _Grid) -> list[list[Word]]:
    """Return the words of the cells of a row.

    A text that crosses a line which is not drawn makes one cell of both sides. Where none does,
    texts on both sides are two cells: many tables have upright lines in their head only. What
    stands alone between two drawn lines belongs to a cell that spans, and so to the first of its
    columns, if the lines within are drawn in most other rows.
    """
    columns = len(grid.down) - 1
    spans = [_span(run, grid) for run in runs]
    crossed = {edge for first, last in spans for edge in range(first + 1, last + 1)}
    starts = list(range(columns))
    for edge in range(1, columns):
        if edge not in grid.drawn[row] and edge in crossed:
            starts[edge] = starts[edge - 1]
    cells: list[list[Word]] = [[] for _ in range(columns)]
    for run, (first, _) in zip(runs, spans, strict=True):
        cells[starts[first]].extend(run)
    bounds = [0, *sorted(edge for edge in grid.drawn[row] if 0 < edge < columns), columns]
    for start, end in pairwise(bounds):
        used = [column for column in range(start, end) if cells[column]]
        inner = range(start + 1, used[0] + 1) if used else range(0)
        if len(used) == 1 and inner and all(grid.mostly_drawn(edge) for edge in inner):
            cells[start], cells[used[0]] = cells[used[0]], []
    return cells


def _span(run: Sequence[Word], grid: _Grid) -> tuple[int, int]:
    """Return the first and the last column in which a text stands."""
    box = around(word.box for word in run)
    first = _place(box.left + NEAR, grid.down)
    return first, max(first, _place(box.right - NEAR, grid.down))


def _drawn(
    network: Sequence[Box], across: Sequence[float], down: Sequence[float]
) -> list[frozenset[int]]:
    """Return for each row which upright lines are drawn in it."""
    drawn: list[set[int]] = [set() for _ in across[1:]]
    for rule in network:
        if rule.height <= rule.width:
            continue
        index = _nearest(rule.centre, down)
        first = max(0, bisect_left(across, rule.top) - 1)
        for row in range(first, len(across) - 1):
            top, bottom = across[row], across[row + 1]
            if top >= rule.bottom:
                break
            if min(rule.bottom, bottom) - max(rule.top, top) > 0.5 * (bottom - top):
                drawn[row].add(index)
    return [frozenset(row) for row in drawn]


def _nearest(value: float, edges: Sequence[float]) -> int:
    after = bisect_left(edges, value)
    near = range(max(0, after - 1), min(len(edges), after + 1))
    return min(near, key=lambda index: abs(edges[index] - value))


def _place(value: float, edges: Sequence[float]) -> int:
    return min(max(bisect_left(edges, value) - 1, 0), len(edges) - 2)


def _cell_text(words: Sequence[Word]) -> str:
    lines = lines_of(fragment([word], "text_layer") for word in words)
    return joined([line.text for line in lines])


def _merged(values: Iterable[float]) -> list[float]:
    """Return positions in order, those that are near each other as one."""
    merged: list[float] = []
    for value in sorted(values):
        if not merged or value - merged[-1] > NEAR:
            merged.append(value)
    return merged
