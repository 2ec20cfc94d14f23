"""What a file that brings its own text consists of: blocks, and pictures to be recognised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Literal

from ocr.errors import PageTooLarge
from ocr.layout.block import Block, Part, Span, marked_spans

MAX_CHARACTERS = 20_000_000
"""Of one page: what a page has is held by several processes, and sent as one response."""

MAX_CELLS = 500_000
"""Of one page's tables, empty ones included."""

MAX_BLOCKS = 200_000
"""Of one page."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image that the file holds.

    Attributes:
        content: as a file of its own.
        part: of the document that it stands in.
    """

    content: bytes
    part: Part = "body"


Notice = Literal[
    "external_refused",
    "picture_unreadable",
    "value_missing",
    "attachment_unread",
    "encoding_guessed",
]
"""What a page may have to say of itself; `conversion.structured` has the sentences."""


@dataclass(slots=True)
class StructuredPage:
    """A page, slide, sheet, chapter or message.

    Attributes:
        number: the first is 1.
        kind: what it is, for people.
        content: in reading order.
        notices: how often each occurred.
        width: in points; 0 where the format has no pages of paper.
        height: likewise.
    """

    number: int
    kind: str
    content: list[Block | Picture] = field(default_factory=list)
    notices: Counter[Notice] = field(default_factory=Counter)
    width: float = 0.0
    height: float = 0.0
    _characters: int = 0
    _cells: int = 0

    def heading(
        self, text: str, level: int, part: Part = "body", spans: Sequence[Span] = ()
    ) -> None:
        """Add a heading."""
        # What is stressed in a heading is so by its style.
        links = marked_spans(Span(span.text, span.link) for span in spans)
        level = min(max(level, 1), 6)
        self._add(Block("heading", text, None, "document", level=level, part=part, spans=links))

    def paragraph(self, text: str, part: Part = "body", spans: Sequence[Span] = ()) -> None:
        """Add a paragraph.

        Args:
            spans: its text in pieces, of which some are marked.
        """
        marked = marked_spans(spans)
        self._add(Block("paragraph", text, None, "document", part=part, spans=marked))

    def item(
        self,
        text: str,
        level: int,
        marker: str = "\u2022",
        part: Part = "body",
        spans: Sequence[Span] = (),
    ) -> None:
        """Add an item of a list; the outermost level is 1."""
        block = Block("list_item", text, None, "document", level=min(max(level, 1), 6))
        self._add(replace(block, marker=marker, part=part, spans=marked_spans(spans)))

    def code(self, text: str, part: Part = "body") -> None:
        """Add text whose spaces and line ends count."""
        if text.strip():
            self._add(Block("code", text.strip("\n"), None, "document", part=part), strip=False)

    def furniture(self, kind: Literal["header", "footer"], text: str) -> None:
        """Add a running header or footer."""
        self._add(Block(kind, text, None, "document"))

    def table(self, rows: Sequence[Sequence[str]], part: Part = "body") -> None:
        """Add a table; one without text is none."""
        kept = [tuple(row) for row in rows]
        if not any(cell.strip() for row in kept for cell in row):
            return
        self._cells += len(kept) * max(len(row) for row in kept)
        if self._cells > MAX_CELLS:
            raise PageTooLarge(
                f"its tables have more than {MAX_CELLS:,} cells; split it into smaller ones"
            )
        text = "\n".join("\t".join(row) for row in kept)
        self._add(Block("table", text, None, "document", rows=tuple(kept), part=part))

    def picture(self, content: bytes, part: Part = "body") -> None:
        """Add an image."""
        self._count(1)
        self.content.append(Picture(content, part))

    def extend(self, other: StructuredPage, part: Part | None = None) -> None:
        """Add everything of another page.

        Args:
            part: that it all becomes; None keeps what it is.
        """
        for piece in other.content:
            self._count(0)
            self.content.append(piece if part is None else replace(piece, part=part))
        self._characters += other._characters
        self._cells += other._cells
        self.notices.update(other.notices)
        self._count(0)

    def _add(self, block: Block, *, strip: bool = True) -> None:
        if not block.text.strip():
            return
        if strip and block.type != "table":
            block = replace(block, text=block.text.strip())
        self._count(len(block.text))
        self.content.append(block)

    def _count(self, characters: int) -> None:
        self._characters += characters
        if self._characters > MAX_CHARACTERS:
            raise PageTooLarge(
                f"it has more than {MAX_CHARACTERS:,} characters; split it into smaller ones"
            )
        if len(self.content) >= MAX_BLOCKS:
            raise PageTooLarge(
                f"it has more than {MAX_BLOCKS:,} paragraphs; split it into smaller ones"
            )


class StructuredDocument:
    """An open file of pages that are made one at a time, when they are asked for; a `Document`."""

    format: str
    page_count: int

    def page(self, number: int) -> StructuredPage:
        """Return one page.

        Raises:
            PageBroken: its data cannot be read.
            PageTooLarge: it has more than a page may have.
        """
        raise NotImplementedError

    def __enter__(self) -> StructuredDocument:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of nothing: it is all in memory."""


class WholeDocument(StructuredDocument):
    """A file whose pages were made when it was opened."""

    def __init__(self, format: str, pages: Sequence[StructuredPage]) -> None:
        self.format = format
        self._pages = pages
        self.page_count = len(pages)

    def page(self, number: int) -> StructuredPage:
        """Return one page."""
        return self._pages[number - 1]
