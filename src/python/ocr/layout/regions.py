"""Takes a page apart into regions in reading order: recursive cuts along white space.

The idea is the XY cut (Nagy and Seth, 1984). Here strips of the page that share a gutter are kept
together before columns are cut, so that a column is read to its end, and a title across all columns
is read before them.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ocr.direction import runs_from_right
from ocr.geometry import Box, around
from ocr.layout.block import Block
from ocr.layout.lines import rows_of
from ocr.layout.table_cells import loose_table
from ocr.text import Fragment

Piece = Fragment | Block
"""Text that is still to be put together, or a block that is whole."""

_GUTTER = 0.8
"""White space between columns, in sizes of the type."""
_PAST_COLUMNS = 1.8
"""White space above a line that may follow columns instead of going on in one, in line heights."""


_HEAD_ROWS = 3
_HEAD_LETTERS = 40
_OVERHANG = 5.0
"""Sizes of the type by which a head may be wider than its table."""


@dataclass(frozen=True, slots=True)
class Region:
    """Pieces of one column, to be read from the top to the bottom."""

    pieces: tuple[Piece, ...]


@dataclass(slots=True)
class _Strip:
    """Pieces with white space above and below, and the gutters that they leave free."""

    pieces: list[Piece]
    box: Box
    gutters: list[tuple[float, float]]


def regions_in_order(pieces: Sequence[Piece]) -> list[Region]:
    """Return the regions of a page in the order in which they are read."""
    if not pieces:
        return []
    type_size = statistics.median(_height(piece) for piece in pieces)
    return _cut(list(pieces), type_size, depth=0)


def _cut(pieces: list[Piece], type_size: float, depth: int) -> list[Region]:
    strips = _strips(pieces, _GUTTER * type_size)
    if depth > 12:
        return [Region(tuple(pieces))]
    regions: list[Region] = []
    plain: list[Piece] = []
    for strip in _grouped(strips, type_size):
        if not strip.gutters:
            plain.extend(strip.pieces)
            continue
        if plain:
            regions.append(Region(tuple(plain)))
            plain = []
        regions.extend(_columns_or_table(strip, type_size, depth))
    if plain:
        regions.append(Region(tuple(plain)))
    return regions


def _columns_or_table(strip: _Strip, type_size: float, depth: int) -> list[Region]:
    table = _table_of(strip)
    if table is not None:
        return [Region((table,))]
    found: list[Region] = []
    edges = [strip.box.left, *((start + end) / 2 for start, end in strip.gutters), strip.box.right]
    columns = list(pairwise(edges))
    if runs_from_right("".join(p.text for p in strip.pieces)):
        columns.reverse()
    for left, right in columns:
        column = [piece for piece in strip.pieces if left <= _box(piece).centre <= right]
        if column:
            found.extend(_cut(column, type_size, depth + 1))
    return found


def _strips(pieces: list[Piece], gutter: float) -> list[_Strip]:
    """Cut along every horizontal line that touches nothing."""
    strips: list[list[Piece]] = []
    reach = float("-inf")
    for piece in sorted(pieces, key=lambda piece: _core(piece).top):
        core = _core(piece)
        if core.top >= reach:
            strips.append([])
        strips[-1].append(piece)
        reach = max(reach, core.bottom)
    return [_Strip(strip, around(map(_box, strip)), _gutters(strip, gutter)) for strip in strips]


def _gutters(pieces: Sequence[Piece], least: float) -> list[tuple[float, float]]:
    """Return the white space between pieces that are beside each other, as ranges of x."""
    found = []
    reach = float("inf")
    for box in sorted(map(_box, pieces), key=lambda box: box.left):
        if box.left - reach >= least:
            found.append((reach, box.left))
        reach = max(reach, box.right) if reach != float("inf") else box.right
    return found


def _grouped(strips: Sequence[_Strip], type_size: float) -> list[_Strip]:
    """Join strips, one after another, as long as they leave a gutter free."""
    groups: list[_Strip] = []
    for index, strip in enumerate(strips):
        if groups:
            group = groups[-1]
            if _spans_a_row(group, strip, strips[index + 1 : index + 3], type_size):
                group.pieces.extend(strip.pieces)
                group.box = around((group.box, strip.box))
                continue
            kept = _shared_gutters(group, strip, _GUTTER * type_size)
            gap = strip.box.top - group.box.bottom
            goes_on = bool(strip.gutters) or any(
                _shared_gutters(group, later, _GUTTER * type_size) and later.gutters
                for later in strips[index + 1 : index + 4]
            )
            far = gap > _PAST_COLUMNS * type_size and not goes_on
            after = strips[index + 1] if index + 1 < len(strips) else None
            is_head = after is not None and _heads(group, strip, after, type_size)
            if kept and not far and not is_head:
                group.pieces.extend(strip.pieces)
                group.box = around((group.box, strip.box))
                group.gutters = kept
                continue
            if not group.gutters and not strip.gutters:
                group.pieces.extend(strip.pieces)
                group.box = around((group.box, strip.box))
                continue
        groups.append(_Strip(list(strip.pieces), strip.box, list(strip.gutters)))
    return _with_heads(groups, type_size)


def _spans_a_row(group: _Strip, strip: _Strip, later: Sequence[_Strip], type_size: float) -> bool:
    """Return whether a strip is a row of a table without rules whose cells span columns."""
    columns = len(group.gutters)
    if columns < 2 or strip.box.top - group.box.bottom > _PAST_COLUMNS * type_size:
        return False
    least = _GUTTER * type_size
    if len(_shared_gutters(group, strip, least)) == columns:
        return False
    goes_on = any(len(_shared_gutters(group, other, least)) == columns for other in later)
    return goes_on and _is_short(strip) and _table_of(group) is not None


def _heads(group: _Strip, strip: _Strip, after: _Strip, type_size: float) -> bool:
    """Return whether a group is the head of a table without rules, whose cells span columns."""
    least = _GUTTER * type_size
    kept = _shared_gutters(group, strip, least)
    return (
        len(strip.gutters) >= 2
        and len(kept) < len(strip.gutters)
        and len(_shared_gutters(strip, after, least)) >= 2
        and _is_short(group)
    )


def _is_short(strip: _Strip) -> bool:
    """Return whether a strip is a row or two of short texts, as heads of tables are."""
    texts = [piece.text for piece in strip.pieces if isinstance(piece, Fragment)]
    rows = rows_of(piece for piece in strip.pieces if isinstance(piece, Fragment))
    return (
        len(texts) == len(strip.pieces)
        and len(rows) <= _HEAD_ROWS
        and all(len(text) <= _HEAD_LETTERS for text in texts)
    )


def _with_heads(groups: Sequence[_Strip], type_size: float) -> list[_Strip]:
    """Return groups, the heads of tables joined to their tables, the lowest first."""
    found: list[_Strip] = []
    for group in groups:
        if len(group.gutters) >= 2 and _table_of(group) is not None:
            while found and _is_head(found[-1], group, type_size):
                head = found.pop()
                group.pieces = [*head.pieces, *group.pieces]
                group.box = around((head.box, group.box))
        found.append(group)
    return found


def _is_head(head: _Strip, table: _Strip, type_size: float) -> bool:
    near = table.box.top - head.box.bottom < type_size
    # Words of a head may be longer than what is below them, but they begin above it.
    reach = table.box.grown(type_size)
    within = all(reach.left <= _box(piece).left < reach.right for piece in head.pieces)
    within = within and head.box.right <= reach.right + _OVERHANG * type_size
    # What stands alone above the first column is a caption, or the text before the table.
    beside = head.box.left > table.gutters[0][0] or len(head.pieces) > 1
    return near and within and beside and len(head.gutters) < len(table.gutters) and _is_short(head)


def _table_of(strip: _Strip) -> Block | None:
    fragments = [piece for piece in strip.pieces if isinstance(piece, Fragment)]
    if len(fragments) < len(strip.pieces):
        return None
    return loose_table(rows_of(fragments), strip.gutters)


def _shared_gutters(group: _Strip, strip: _Strip, least: float) -> list[tuple[float, float]]:
    """Return the gutters of a group that a strip leaves free as well."""
    if not group.gutters:
        return []
    kept = []
    for start, end in group.gutters:
        for piece in strip.pieces:
            box = _box(piece)
            if box.left < end and box.right > start:
                if box.centre < (start + end) / 2:
                    start = max(start, box.right)
                else:
                    end = min(end, box.left)
        if end - start >= least:
            kept.append((start, end))
    return kept


def _core(piece: Piece) -> Box:
    """Return its box without the space above and below letters, where neighbours may reach in."""
    box = _box(piece)
    margin = 0.2 * box.height if isinstance(piece, Fragment) else 0.0
    return Box(box.left, box.top + margin, box.right, box.bottom - margin)


def _box(piece: Piece) -> Box:
    assert piece.box is not None  # only whole pages have none, and those are not laid out
    return piece.box


def _height(piece: Piece) -> float:
    return piece.size if isinstance(piece, Fragment) else 10.0
