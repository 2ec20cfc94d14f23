"""Makes room between the columns of a scan that stand close together.

A detector of text grows its lines by some pixels, so that they reach into a narrow gutter, and it
takes some lines of both columns for one. What gives the gutter away is that lines begin at one
place in row after row, with other lines ending just before it.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace

from ocr.geometry import Box, around
from ocr.text import Fragment, fragment

_ROWS = 4
"""Rows in which lines end before the gutter and begin after it."""
_ALIGNED = 0.5
"""Of the type's size: how far the beginnings of a column's lines lie apart."""
_NARROW = 2.0
"""Sizes of the type up to which white space between columns is narrow."""
_ROOM = 0.9
"""Sizes of the type that are left free before a column."""
_LINE = 12
"""Letters of a line of prose at least: shorter ones are cells of a table."""
_SPLIT = 0.8
"""Of the type's size: how near to the gutter's end a word begins that is the first of a column."""
_SPACE = 0.25
"""Of the type's size: the least space between two words where a line of both columns is cut."""


def with_room(fragments: Sequence[Fragment]) -> list[Fragment]:
    """Return fragments of which none reaches across or into a narrow gutter."""
    scanned = [piece for piece in fragments if piece.source == "ocr"]
    if len(scanned) < 2 * _ROWS:
        return list(fragments)
    size = statistics.median(piece.size for piece in scanned)
    found = list(fragments)
    for edge, top, bottom in _columns(scanned, size):
        found = [part for piece in found for part in _made_room(piece, edge, top, bottom, size)]
    return found


def _columns(fragments: Sequence[Fragment], size: float) -> list[tuple[float, float, float]]:
    """Return where columns begin behind a narrow gutter, and their tops and bottoms."""
    found: list[tuple[float, float, float]] = []
    waiting = sorted(fragments, key=lambda piece: piece.box.left)
    while waiting:
        first = waiting[0].box.left
        # Lines that begin at one place, give or take what the detector adds.
        aligned = [piece for piece in waiting if piece.box.left - first <= 2 * _ALIGNED * size]
        edge = statistics.median(piece.box.left for piece in aligned)
        begin = [
            piece
            for piece in aligned
            if len(piece.text) >= _LINE
            and any(_ends_before(other, piece, size) for other in fragments)
        ]
        if len(begin) >= _ROWS:
            area = around(piece.box for piece in begin)
            # The first and the last line of both columns may have been taken for one.
            found.append((edge, area.top - 2 * size, area.bottom + 2 * size))
            waiting = [piece for piece in waiting if piece not in aligned]
        else:
            waiting = waiting[1:]
    return found


def _ends_before(other: Fragment, piece: Fragment, size: float) -> bool:
    return (
        other.box.shared_height(piece.box) > 0.5
        and -_ALIGNED * size < piece.box.left - other.box.right < _NARROW * size
        and len(other.text) >= _LINE
    )


def _made_room(
    piece: Fragment, edge: float, top: float, bottom: float, size: float
) -> list[Fragment]:
    """Return a fragment that keeps clear of a gutter, or its two parts on both sides of it."""
    box = piece.box
    if piece.source == "ocr" and edge - size < box.left < edge < box.right:
        return [replace(piece, box=replace(box, left=edge))]
    reaches = box.left <= edge - size and box.right >= edge - _ROOM * size
    if piece.source != "ocr" or not reaches:
        return [piece]
    if box.right <= edge + _ALIGNED * size:
        # Above and below as well: one column may go on where the other has ended.
        clear = Box(box.left, box.top, edge - _ROOM * size, box.bottom)
        return [replace(piece, box=clear)]
    if not top <= box.middle <= bottom:
        return [piece]
    for index in range(1, len(piece.words)):
        before, word = piece.words[index - 1], piece.words[index]
        starts = abs(word.box.left - edge) < _SPLIT * size
        if starts and word.box.left - before.box.right > _SPACE * size:
            left = fragment(piece.words[:index], piece.source, piece.means)
            right = fragment(piece.words[index:], piece.source, piece.means)
            clear = replace(left.box, right=min(left.box.right, edge - _ROOM * size))
            return [replace(left, box=clear), right]
    return [piece]
