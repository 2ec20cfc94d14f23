"""Numbers of lines in the margin, as transcripts, statutes and editions of texts have them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ocr.geometry import around
from ocr.layout.block import Block
from ocr.layout.lines import rows_of
from ocr.text import Fragment

_FEWEST = 5
"""Numbers at line after line; at every fifth line or so, two will do."""
_STEPS = (5, 10, 2, 3, 4)
"""Lines from one number to the next, where not every line has one."""
_GOES_ON = 0.25
"""Share of lines that begin with a small letter, from which they are lines of running text."""

_Row = Sequence[Fragment]


def without_line_numbers(
    fragments: Sequence[Fragment],
) -> tuple[list[Fragment], list[Block]]:
    """Return fragments without numbers of lines, and those as a block that is not read."""
    if not any(piece.text.isdecimal() for piece in fragments):
        return list(fragments), []
    rows = rows_of(fragments)
    numbers = _every_line(rows) or _every_few_lines(rows)
    if not numbers:
        return list(fragments), []
    block = Block(
        type="header",
        text=" ".join(number.text for number in numbers),
        box=around(number.box for number in numbers),
        source=numbers[0].source,
        size=numbers[0].size,
    )
    taken = set(map(id, numbers))
    return [piece for piece in fragments if id(piece) not in taken], [block]


def _every_line(rows: Sequence[_Row]) -> list[Fragment]:
    run: list[_Row] = []
    for row in (row for row in rows if _is_numbered(row)):
        if run and int(row[0].text) - int(run[-1][0].text) != 1:
            if len(run) >= _FEWEST:
                break
            run = []
        run.append(row)
    numbers = [row[0] for row in run]
    if len(run) < _FEWEST or not _are_in_a_column(numbers) or not _is_running_text(run):
        return []
    return numbers


def _every_few_lines(rows: Sequence[_Row]) -> list[Fragment]:
    """Return numbers that count the lines between them, such as 5, 10, 15."""
    places = [index for index, row in enumerate(rows) if _is_numbered(row)]
    numbers = [rows[index][0] for index in places]
    steps = [(below - above) for above, below in pairwise(places)]
    values = [int(number.text) for number in numbers]
    if len(values) < 2 or steps[0] not in _STEPS or values[0] % steps[0]:
        return []
    if any(step != steps[0] for step in steps):
        return []
    if any(below - above != steps[0] for above, below in pairwise(values)):
        return []
    text = [row for index, row in enumerate(rows) if index not in places]
    beside = all(
        piece.box.left > number.box.right for number in numbers for row in text for piece in row
    )
    if not beside or not _are_in_a_column(numbers):
        return []
    lines = [[numbers[0], *(row if len(row) == 1 else row[1:])] for row in rows]
    return numbers if _is_running_text(lines) else []


def _is_numbered(row: _Row) -> bool:
    return len(row) > 1 and row[0].text.isdecimal() and len(row[0].text) < 6


def _are_in_a_column(numbers: Sequence[Fragment]) -> bool:
    rights = [number.box.right for number in numbers]
    lefts = [number.box.left for number in numbers]
    spread = min(max(rights) - min(rights), max(lefts) - min(lefts))
    steps = [below.box.middle - above.box.middle for above, below in pairwise(numbers)]
    return spread < numbers[0].size and max(steps) < 2 * min(steps)


def _is_running_text(rows: Sequence[_Row]) -> bool:
    if any(len(row) > 2 for row in rows):
        return False
    small = sum(row[1].text[:1].islower() for row in rows)
    return small >= _GOES_ON * len(rows)
