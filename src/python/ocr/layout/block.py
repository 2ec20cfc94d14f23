"""What a page consists of once it is laid out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from ocr.geometry import Box
from ocr.text import Source

BlockType = Literal[
    "heading", "paragraph", "list_item", "table", "code", "header", "footer", "markdown"
]
"""`markdown` is a whole page from a model that does its own layout; in `code`, spaces and line
ends count."""

Part = Literal["body", "note", "speaker_notes", "comment", "deleted", "hidden"]
"""What a block is of its document. Comments, text deleted by a tracked change, and hidden content
are among the blocks, and not in the Markdown."""


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a text that leads elsewhere, or is stressed, or neither.

    Attributes:
        link: its address; empty if it leads nowhere.
    """

    text: str
    link: str = ""
    bold: bool = False
    italic: bool = False

    @property
    def is_marked(self) -> bool:
        """Whether it is more than plain text."""
        return bool(self.link) or self.bold or self.italic


def marked_spans(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return spans, those alike that follow each other as one; nothing if none is marked."""
    merged: list[Span] = []
    for span in spans:
        if merged and replace(merged[-1], text="") == replace(span, text=""):
            merged[-1] = replace(span, text=merged[-1].text + span.text)
        else:
            merged.append(span)
    return tuple(merged) if any(span.is_marked for span in merged) else ()


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a page that is read as one.

    Attributes:
        text: without any markup; the cells of a table are separated by tabs and line ends. A
            paragraph has a line end only where its lines were ended on purpose.
        box: None only where the engine gives no places.
        size: of its type, in points; 0 where it is not known.
        bold: whether all of it is.
        confidence: of what was recognised, 0 to 1; None for text layers and engines without one.
        level: of a heading, 1 to 6, and of a list item, 1 for the outermost; else 0.
        marker: of a list item, as printed.
        rows: the cells of a table.
        part: of the document; pages that are read from an image are all body.
        spans: the text in pieces, if any of it is marked; else empty.
    """

    type: BlockType
    text: str
    box: Box | None
    source: Source
    size: float = 0.0
    bold: bool = False
    confidence: float | None = None
    level: int = 0
    marker: str = ""
    rows: tuple[tuple[str, ...], ...] = ()
    part: Part = "body"
    spans: tuple[Span, ...] = ()
