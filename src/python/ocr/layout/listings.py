"""Listings: lines in a type of which all letters are equally wide, among other text."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from ocr.geometry import around
from ocr.layout.block import Block
from ocr.layout.lines import Line, lines_of
from ocr.text import Fragment

_FEWEST = 2
_APART = 1.6
"""Line heights between two lines of one listing, blank lines left out."""
_BLANK_LINES = 2.6
"""Sizes of the type up to which a gap is a blank line in a listing."""
_BODY = 0.5
"""Share of a page's letters from which such type is that of its text: it was typewritten."""


def listings(fragments: Sequence[Fragment]) -> tuple[list[Block], list[Fragment]]:
    """Return the listings of a page, and the text that is in none of them."""
    fixed = [piece for piece in fragments if all(word.fixed for word in piece.words)]
    letters = sum(len(piece.text) for piece in fragments)
    if not fixed or sum(len(piece.text) for piece in fixed) > _BODY * letters:
        return [], list(fragments)
    found: list[Block] = []
    taken: set[int] = set()
    for lines in _groups(lines_of(fixed)):
        area = around(line.box for line in lines)
        others = [piece for piece in fragments if piece.box.within(area)]
        if len(lines) < _FEWEST or any(not piece.words[0].fixed for piece in others):
            continue
        found.append(_block(lines))
        taken.update(id(piece) for piece in others)
    return found, [piece for piece in fragments if id(piece) not in taken]


def _groups(lines: Sequence[Line]) -> list[list[Line]]:
    groups: list[list[Line]] = []
    for line in lines:
        last = groups[-1][-1] if groups else None
        height = max(line.size, line.box.height)
        if last is not None and line.box.middle - last.box.middle < _BLANK_LINES * height:
            groups[-1].append(line)
        else:
            groups.append([line])
    return groups


def _block(lines: Sequence[Line]) -> Block:
    area = around(line.box for line in lines)
    words = [word for line in lines for word in line.words]
    advance = statistics.median(word.box.width / len(word.text) for word in words)
    rows: list[str] = []
    last: Line | None = None
    for line in lines:
        if last is not None and line.box.middle - last.box.middle > _APART * line.box.height:
            rows.append("")
        rows.append(_row(line, area.left, advance))
        last = line
    return Block(
        type="code",
        text="\n".join(rows),
        box=area,
        source=lines[0].source,
        size=statistics.median(word.size for word in words),
    )


def _row(line: Line, left: float, advance: float) -> str:
    """Return a line with the spaces that its words' places ask for."""
    text = ""
    for word in line.words:
        column = round((word.box.left - left) / advance)
        text = text.ljust(max(column, len(text) + bool(text)))
        text += word.text
    return text
