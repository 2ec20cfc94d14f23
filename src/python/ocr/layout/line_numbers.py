"""Numbers of lines in the margin, as transcripts and statutes have them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ocr.geometry import around
from ocr.layout.block import Block
from ocr.layout.lines import rows_of
from ocr.text import Fragment

_FEWEST = 5
_GOES_ON = 0.25
"""Share of lines that begin with a small letter, from which they are lines of running text."""


def without_line_numbers(
    fragments: Sequence[Fragment],
) -> tuple[list[Fragment], list[Block]]:
    """Return fragments without numbers of lines, and those as a block that is not read."""
    rows = [row for row in rows_of(fragments) if len(row) > 1 and row[0].text.isdigit()]
    run: list[list[Fragment]] = []
    for row in rows:
        if run and int(row[0].text) - int(run[-1][0].text) != 1:
            if len(run) >= _FEWEST:
                break
            run = []
        run.append(row)
    if len(run) < _FEWEST or not _are_in_a_column(run) or not _is_running_text(run):
        return list(fragments), []
    numbers = [row[0] for row in run]
    block = Block(
        type="header",
        text=" ".join(number.text for number in numbers),
        box=around(number.box for number in numbers),
        source=numbers[0].source,
        size=numbers[0].size,
    )
    taken = set(map(id, numbers))
    return [piece for piece in fragments if id(piece) not in taken], [block]


def _are_in_a_column(rows: Sequence[Sequence[Fragment]]) -> bool:
    rights = [row[0].box.right for row in rows]
    lefts = [row[0].box.left for row in rows]
    spread = min(max(rights) - min(rights), max(lefts) - min(lefts))
    steps = [below[0].box.middle - above[0].box.middle for above, below in pairwise(rows)]
    return spread < rows[0][0].size and max(steps) < 2 * min(steps)


def _is_running_text(rows: Sequence[Sequence[Fragment]]) -> bool:
    if any(len(row) > 2 for row in rows):
        return False
    small = sum(row[1].text[:1].islower() for row in rows)
    return small >= _GOES_ON * len(rows)
