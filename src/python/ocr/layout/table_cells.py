"""Tables: from cells that lines enclose, or that merely stand in columns."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from itertools import pairwise

from ocr.direction import runs_from_right
from ocr.geometry import Box, around
from ocr.layout.block import Block
from ocr.layout.lines import confidence_of
from ocr.text import Fragment, Source, Word

_NUMBER = re.compile(
    r"[(+\-\u2212\u2013$€£]*\d[\d.,:/%\s'-]*[)%]?(?:\s?[A-Za-z€%°]{1,3})?|[-\u2013\u2014]|n/?a",
    re.I,
)
_PROSE = 26.0
"""Mean characters of a cell from which columns are columns of text."""
_PARTED = 0.4
"""Of the type's size: more white space than this where columns meet parts two cells."""
_PROSE_OF_TWO = 20.0
"""The same where there are two columns only."""


def is_number(text: str) -> bool:
    """Return whether a cell has a number, an amount or a percentage, or says that it has none."""
    return bool(_NUMBER.fullmatch(text))


def loose_table(
    rows: Sequence[Sequence[Fragment]], gutters: Sequence[tuple[float, float]]
) -> Block | None:
    """Return a table that nothing but white space makes, or None if it is text in columns.

    Args:
        rows: from the top, each from the left.
        gutters: the white space between the columns, as ranges of x.
    """
    cuts = [(start + end) / 2 for start, end in gutters]
    cells = [_row_cells(row, cuts) for row in rows]
    texts = [text for row in cells for text in row if text]
    full = sum(1 for row in cells if sum(map(bool, row)) > 1)
    if len(rows) < 2 or full < 2 or full < 0.6 * len(rows):
        return None
    mean = statistics.mean(map(len, texts))
    numbers = sum(1 for text in texts if is_number(text)) / len(texts)
    limit = _PROSE_OF_TWO if len(cuts) == 1 else _PROSE
    if mean > limit * (1 + numbers) or (len(cuts) == 1 and len(rows) < 3 and numbers < 0.2):
        return None
    fragments = [piece for row in rows for piece in row]
    return table_block(cells, around(piece.box for piece in fragments), fragments)


def table_block(cells: Sequence[Sequence[str]], box: Box, fragments: Sequence[Fragment]) -> Block:
    """Return a table of rows of equal length."""
    words = [word for piece in fragments for word in piece.words]
    source: Source = "ocr" if any(p.source == "ocr" for p in fragments) else "text_layer"
    from_right = runs_from_right(" ".join(text for row in cells for text in row))
    # The first column is where reading begins.
    rows = tuple(tuple(row[::-1] if from_right else row) for row in cells)
    return Block(
        type="table",
        text="\n".join("\t".join(row) for row in rows),
        box=box,
        source=source,
        size=statistics.median(word.size for word in words) if words else 0.0,
        confidence=confidence_of(words),
        rows=rows,
    )


def _row_cells(row: Sequence[Fragment], cuts: Sequence[float]) -> list[str]:
    cells: list[list[Word]] = [[] for _ in range(len(cuts) + 1)]
    for piece in row:
        for run in _runs(piece, cuts):
            left = min(word.box.left for word in run)
            cells[sum(1 for cut in cuts if left > cut)].extend(run)
    return [" ".join(word.text for word in cell) for cell in cells]


def _runs(piece: Fragment, cuts: Sequence[float]) -> list[list[Word]]:
    """Return the words of a fragment by cell.

    A text that lies across the white space of other rows, with no more than a space there, is that
    of a cell that spans columns.
    """
    runs: list[list[Word]] = [[piece.words[0]]]
    for before, word in pairwise(piece.words):
        first, second = sorted((before.box, word.box), key=lambda box: box.left)
        parted = any(first.centre < cut < second.centre for cut in cuts)
        if parted and second.left - first.right > _PARTED * word.size:
            runs.append([])
        runs[-1].append(word)
    return runs
