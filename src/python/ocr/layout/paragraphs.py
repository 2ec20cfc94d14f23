"""Puts the lines of a column together: paragraphs, headings, items of lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ocr.direction import runs_from_right
from ocr.geometry import Box, around
from ocr.layout.block import Block, Span, marked_spans
from ocr.layout.contents import leads_on
from ocr.layout.headings import (
    HEADING_LETTERS,
    LONE_LINE_SCANNED,
    OTHER_SIZE,
    OTHER_SIZE_SCANNED,
)
from ocr.layout.joining import ends_in_hyphen, joined
from ocr.layout.lines import Line, confidence_of, usual_gap
from ocr.layout.list_markers import BULLETS, lone_letters, marker_of

_MORE_SPACE = 0.4
"""Of the type's size: this much more than usual between two lines separates paragraphs."""
_INDENT = 0.8
_BOLD_HEADING_LETTERS = 90
_NOTE_SIGNS = frozenset("*\u2020\u2021\u00a7")
_NOTE_DIGITS = 3
_MARK_SIZE = 0.8
"""Of the size of a note's text: what marks it is no larger."""
_NARROW = 0.75
"""Share of a column's width up to which lines that end early are an address or a verse."""


def blocks_of(lines: Sequence[Line], body: float) -> list[Block]:
    """Return the blocks of one column.

    Args:
        lines: from the top.
        body: the size of most of the page's type, in points.
    """
    column = _Column.of(lines, body)
    return [_block(paragraph, column) for paragraph in _paragraphs(lines, body)]


@dataclass(frozen=True, slots=True)
class _Column:
    """What the lines of a column have in common.

    Attributes:
        left: where the first of them begins, in points.
        right: where the last of them ends.
        gap: the usual white space between two lines.
        body: the size of most of the page's type.
        lone: letters at the beginning of lines that are no items, such as "J." of a name.
    """

    left: float
    right: float
    gap: float
    body: float
    lone: frozenset[str]

    @classmethod
    def of(cls, lines: Sequence[Line], body: float) -> _Column:
        """Return that of these lines."""
        return cls(
            left=min((line.box.left for line in lines), default=0.0),
            right=max((line.box.right for line in lines), default=0.0),
            gap=max(0.0, usual_gap(lines)),
            body=body,
            lone=lone_letters(line.text for line in lines),
        )

    def marker_of(self, text: str) -> str:
        """Return the bullet, number or letter of an item; empty if a text is none."""
        marker = marker_of(text)
        return "" if marker in self.lone else marker


def _paragraphs(lines: Sequence[Line], body: float) -> Iterator[list[Line]]:
    if lines and runs_from_right("".join(line.text for line in lines)):
        # Seen in a mirror, such lines begin at the left.
        mirrored = {id(line): _mirrored(line) for line in lines}
        back = {id(image): line for line in lines for image in [mirrored[id(line)]]}
        for paragraph in _from_left([mirrored[id(line)] for line in lines], body):
            yield [back[id(image)] for image in paragraph]
        return
    yield from _from_left(lines, body)


def _mirrored(line: Line) -> Line:
    box = line.box
    return replace(line, box=Box(-box.right, box.top, -box.left, box.bottom))


def _from_left(lines: Sequence[Line], body: float) -> Iterator[list[Line]]:
    column = _Column.of(lines, body)
    paragraph: list[Line] = []
    for line in lines:
        if paragraph and _begins(paragraph, line, column):
            yield paragraph
            paragraph = []
        paragraph.append(line)
    if paragraph:
        yield paragraph


def _begins(paragraph: Sequence[Line], line: Line, column: _Column) -> bool:
    """Return whether a line is the first of another paragraph."""
    last = paragraph[-1]
    size = max(last.size, line.size)
    space = line.box.top - last.box.bottom
    if space > column.gap + _MORE_SPACE * size or space < -size:
        return True
    if _is_item(line, column) or _is_note(line):
        return True
    if leads_on(last.text) or line.bold != last.bold:
        return True
    ratio = size / max(min(last.size, line.size), 0.1)
    scanned = "ocr" in (line.source, last.source)
    if ratio > (OTHER_SIZE_SCANNED if scanned else OTHER_SIZE):
        return True
    if _is_heading_size(last, column.body) != _is_heading_size(line, column.body):
        return True
    indent = line.box.left - last.box.left
    if column.marker_of(paragraph[0].text):
        # What hangs under a marker belongs to it; what goes back to the left does not.
        return len(paragraph) > 1 and indent < -_INDENT * size
    if (
        indent > _INDENT * size
        and last.box.left - column.left < _INDENT * size
        and column.right - last.box.right < 3 * size
    ):
        return True
    if last.text[-1:] in ".!?:" and marker_of(line.text) in column.lone:
        return True  # somebody else speaks
    # The next word would still have fitted: whoever set it ended the paragraph here.
    short = column.right - last.box.right > line.words[0].box.width + size
    return short and last.text[-1:] in ".!?:" and line.text[:1].isupper()


def _is_item(line: Line, column: _Column) -> bool:
    """Return whether a line begins with a marker. A number that is all of it ends a sentence."""
    marker = column.marker_of(line.text)
    return bool(marker) and not (marker == line.text and marker[0].isalnum())


def _is_note(line: Line) -> bool:
    """Return whether a line begins with the mark of a note: a small number or sign, set high."""
    if len(line.words) < 2:
        return False
    mark, word = line.words[:2]
    return (
        (mark.text in _NOTE_SIGNS or (mark.text.isdigit() and len(mark.text) <= _NOTE_DIGITS))
        and mark.size <= _MARK_SIZE * word.size
        and mark.box.bottom < word.box.bottom
    )


def _is_heading_size(line: Line, body: float) -> bool:
    limit = OTHER_SIZE_SCANNED if line.source == "ocr" else OTHER_SIZE
    return line.size > limit * body


def _text(paragraph: Sequence[Line], right: float, left: float) -> str:
    """Return a paragraph as one text, or as lines where each was ended on purpose.

    The first word of the next line would have fitted, in two lines after each other: no program
    that fills lines does that, but whoever writes an address or a verse.
    """
    lines = [line.text for line in paragraph]
    early = [
        right - line.box.right > below.words[0].box.width + line.size
        and line.box.right - left < _NARROW * (right - left)
        and not ends_in_hyphen(line.text)
        for line, below in pairwise(paragraph)
    ]
    if any(first and second for first, second in pairwise(early)) and all(early):
        return "\n".join(lines)
    return joined(lines)


def _block(paragraph: Sequence[Line], column: _Column) -> Block:
    text = _text(paragraph, column.right, column.left)
    words = [word for line in paragraph for word in line.words]
    size = max(paragraph, key=lambda line: len(line.text)).size
    bold = all(line.bold for line in paragraph)
    marker = column.marker_of(text)
    heading = _is_heading(paragraph, text, bold, column.body)
    return Block(
        type="heading" if heading else "list_item" if marker else "paragraph",
        text=text if heading else text[len(marker) :].lstrip(),
        box=around(line.box for line in paragraph),
        source="ocr" if any(line.source == "ocr" for line in paragraph) else "text_layer",
        size=size,
        bold=bold,
        confidence=confidence_of(words),
        marker="" if heading else marker,
        spans=_spans(paragraph),
    )


def _spans(paragraph: Sequence[Line]) -> tuple[Span, ...]:
    """Return the text in pieces, if any of them leads elsewhere."""
    words = [word for line in paragraph for word in line.words]
    if not any(word.link for word in words):
        return ()
    return marked_spans(Span(f"{word.text} ", word.link) for word in words)


def _is_heading(paragraph: Sequence[Line], text: str, bold: bool, body: float) -> bool:
    if not any(character.isalnum() for character in text) or leads_on(text):
        return False
    if marker_of(text)[:1] in BULLETS and marker_of(text):
        return False  # however large: on slides, lists are
    if all(_is_heading_size(line, body) for line in paragraph):
        return len(text) <= HEADING_LETTERS and len(paragraph) <= 4
    ends = text[-1] in ".,;:!?"
    if len(text) > _BOLD_HEADING_LETTERS or ends or len(paragraph) > 2:
        return False
    scanned = len(paragraph) == 1 and paragraph[0].source == "ocr" and not marker_of(text)
    return bold or (scanned and paragraph[0].size > LONE_LINE_SCANNED * body)
