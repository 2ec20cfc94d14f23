"""Blocks as Markdown (CommonMark with GitHub's tables), in which the text means only itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ocr.conversion.escaping import escaped
from ocr.conversion.marks import with_marks
from ocr.layout.block import Block

_NUMBER_MARKER = re.compile(r"\(?(\d{1,3})[.)]")
_INDENT = 3
_HARD_BREAK = "  \n"
_UNREAD = ("header", "footer")
_LEFT_OUT = ("comment", "deleted", "hidden")
_FENCE = re.compile(r"`{3,}")


def markdown_of(blocks: Iterable[Block]) -> str:
    """Return blocks as one text.

    Headers and footers are left out, as they are no part of the text, and so is what readers of the
    document would not see: comments, deleted text, hidden content.
    """
    parts: list[str] = []
    last = ""
    for block in blocks:
        if block.type in _UNREAD or block.part in _LEFT_OUT:
            continue
        # Items of one list stand close together, or they would be set as paragraphs.
        tight = block.type == last == "list_item"
        parts.append(("\n" if tight else "\n\n") + _block(block) if parts else _block(block))
        last = block.type
    return "".join(parts)


def _block(block: Block) -> str:
    text = _marked_up(block)
    if block.part == "speaker_notes":
        return "\n".join(f"> {line}" for line in text.splitlines())
    return text


def _marked_up(block: Block) -> str:
    match block.type:
        case "heading":
            return f"{'#' * max(block.level, 1)} {with_marks(_heading(block.text), block.spans)}"
        case "list_item":
            return with_marks(_item(block), block.spans)
        case "table":
            return with_marks(_table(block.rows), block.spans)
        case "code":
            return _fenced(block.text)
        case "markdown":
            return block.text
    # A line end within a paragraph is one that whoever wrote it meant.
    lines = [escaped(line) for line in block.text.split("\n")]
    return with_marks(_HARD_BREAK.join(lines), block.spans)


def _fenced(text: str) -> str:
    """Return preformatted text between fences that are longer than any within it."""
    fence = "`" * max([3, *(len(run) + 1 for run in _FENCE.findall(text))])
    return f"{fence}\n{text}\n{fence}"


def _heading(text: str) -> str:
    """Return a heading's text; hashes at its end would be taken for a closing sequence."""
    return re.sub(r"(?<!\\)(#+)$", r"\\\1", escaped(text))


def _item(block: Block) -> str:
    number = _NUMBER_MARKER.fullmatch(block.marker)
    if number:
        marker, text = f"{int(number[1])}.", escaped(block.text)
    elif len(block.marker) > 1:
        marker, text = "-", f"{block.marker} {escaped(block.text)}"
    else:
        marker, text = "-", escaped(block.text)
    return f"{' ' * _INDENT * (max(block.level, 1) - 1)}{marker} {text}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    width = max(len(row) for row in rows)
    lines = [_table_row([*row, *[""] * (width - len(row))]) for row in rows]
    lines.insert(1, "|" + " --- |" * width)
    return "\n".join(lines)


def _table_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(escaped(cell).replace("|", r"\|") for cell in cells) + " |"
