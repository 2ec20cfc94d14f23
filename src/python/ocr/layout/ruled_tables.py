"""Tables whose cells are enclosed by drawn lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ocr.geometry import Box, around
from ocr.layout.block import Block
from ocr.layout.lines import rows_of
from ocr.layout.table_cells import table_block
from ocr.text import Fragment, Word, fragment

_NEAR = 3.0
"""Points within which lines meet, and within which two lines are one."""
_SHORTEST = 8.0
_MOST_LINES = 4_000


def ruled_tables(
    rules: Sequence[Box], fragments: Sequence[Fragment]
) -> tuple[list[Block], list[Fragment]]:
    """Return the tables that lines enclose, and the text that is in none of them."""
    tables: list[Block] = []
    left_over = list(fragments)
    for network in _networks(rules):
        across = _merged(rule.middle for rule in network if rule.width >= rule.height)
        down = _merged(rule.centre for rule in network if rule.height > rule.width)
        if len(across) < 2 or len(down) < 2 or (len(across) == 2 and len(down) == 2):
            continue
        area = around(network)
        inside = [piece for piece in left_over if piece.box.within(area.grown(_NEAR), 0.6)]
        table = _table(inside, area, across, down, network)
        if table is not None:
            tables.append(table)
            taken = set(map(id, inside))
            left_over = [piece for piece in left_over if id(piece) not in taken]
    return tables, left_over


def _table(
    inside: Sequence[Fragment],
    area: Box,
    across: Sequence[float],
    down: Sequence[float],
    network: Sequence[Box],
) -> Block | None:
    """Return the table of a grid, or None if it encloses too little to be one."""
    cells: list[list[list[Word]]] = [[[] for _ in down[1:]] for _ in across[1:]]
    for piece in inside:
        for word in piece.words:
            row, column = _place(word.box.middle, across), _place(word.box.centre, down)
            column = _spanned_from(word.box, row, column, across, down, network)
            cells[row][column].append(word)
    texts = [[_cell_text(cell) for cell in row] for row in cells]
    texts = [row for row in texts if any(row)]
    used = [column for column in range(len(down) - 1) if any(row[column] for row in texts)]
    texts = [[row[column] for column in used] for row in texts]
    if len(texts) < 2 and len(used) < 2:
        return None
    if len(texts) * len(used) < 3:
        return None
    return table_block(texts, area, inside)


def _spanned_from(
    word: Box,
    row: int,
    column: int,
    across: Sequence[float],
    down: Sequence[float],
    network: Sequence[Box],
) -> int:
    """Return the first column of the cell: one goes on where no line is drawn between two."""
    while column > 0:
        x, top, bottom = down[column], across[row], across[row + 1]
        drawn = any(
            rule.height > rule.width
            and abs(rule.centre - x) < _NEAR
            and min(rule.bottom, bottom) - max(rule.top, top) > 0.5 * (bottom - top)
            for rule in network
        )
        if drawn:
            return column
        column -= 1
    return column


def _place(value: float, edges: Sequence[float]) -> int:
    inner = sum(1 for edge in edges[1:-1] if value > edge)
    return min(inner, len(edges) - 2)


def _cell_text(words: Sequence[Word]) -> str:
    rows = rows_of([fragment([word], "text_layer") for word in words])
    return " ".join(piece.text for row in rows for piece in row)


def _networks(rules: Sequence[Box]) -> list[list[Box]]:
    """Return lines that touch, directly or through others, as one network each."""
    long = [rule for rule in rules if max(rule.width, rule.height) >= _SHORTEST]
    long = sorted(set(long), key=lambda rule: rule.top)[:_MOST_LINES]
    networks: list[list[Box]] = []
    reaches: list[Box] = []
    for rule in long:
        near = rule.grown(_NEAR)
        touched = [
            index
            for index, network in enumerate(networks)
            if _meet(reaches[index], near) and any(_meet(other, near) for other in network)
        ]
        joined = [rule, *(other for index in touched for other in networks[index])]
        networks = [n for index, n in enumerate(networks) if index not in touched]
        reaches = [r for index, r in enumerate(reaches) if index not in touched]
        networks.append(joined)
        reaches.append(around(joined))
    return [network for network in networks if len(network) > 3]


def _meet(first: Box, second: Box) -> bool:
    return (
        first.left <= second.right
        and second.left <= first.right
        and first.top <= second.bottom
        and second.top <= first.bottom
    )


def _merged(values: Iterable[float]) -> list[float]:
    """Return positions in order, those that are near each other as one."""
    merged: list[float] = []
    for value in sorted(values):
        if not merged or value - merged[-1] > _NEAR:
            merged.append(value)
    return merged
