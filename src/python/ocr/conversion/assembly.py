"""The result for a whole document, with QueryLake's contract fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, Field

from ocr.conversion.markdown import markdown_of
from ocr.conversion.result import PageResult
from ocr.geometry import Box
from ocr.layout.block import Block, BlockType, Part
from ocr.layout.furniture import running_furniture
from ocr.layout.headings import headings_of_document
from ocr.layout.joining import with_whole_words
from ocr.layout.levels import with_levels
from ocr.text import Means, Source

OutputContract = Literal[
    "ocr_markdown", "text_layer_fastpath_markdown", "mixed_text_layer_fastpath_markdown"
]
Status = Literal["complete", "partial", "failed"]


class BlockDocument(BaseModel):
    """A block of a page."""

    type: BlockType
    text: str
    box: tuple[float, float, float, float] | None = Field(
        description="Left, top, right, bottom in points from the page's top left corner."
    )
    order: int = Field(description="Its place in the page's reading order, from 0.")
    source: Source
    confidence: float | None = Field(description="Of what was recognised: 0 to 1.")
    level: int = Field(description="Of a heading or an item of a list; 0 for others.")
    rows: list[list[str]] | None = Field(description="The cells of a table.")
    part: Part = Field(
        "body",
        description="Comments, deleted text and hidden content are not in the Markdown.",
    )


class PageDocument(BaseModel):
    """A page that was read to its end."""

    page: int
    source: Source
    mixed: bool = Field(description="Whether it has text of both sources.")
    reason: str
    width: float
    height: float
    rotation: int = Field(description="Degrees clockwise by which it was turned to be read.")
    skew: float = Field(description="Degrees by which its lines fell to the right.")
    seconds: float
    read_by: dict[Means, int] = Field(
        default_factory=dict, description="Characters by the means by which they were read."
    )
    confidence: float | None = Field(
        default=None, description="Of what was recognised: 0 to 1, the mean over characters."
    )
    unread_areas: list[tuple[float, float, float, float]] = Field(
        default_factory=list, description="Where text was seen and could not be read."
    )
    unread_share: float = Field(default=0.0, description="Of all areas with text, by area: 0 to 1.")
    markdown: str
    blocks: list[BlockDocument]


class PageWarningDocument(BaseModel):
    """What is to be known about a page that has text."""

    page: int
    code: str
    message: str
    incomplete: bool = Field(description="Whether text of the page is missing from the result.")


class PageErrorDocument(BaseModel):
    """A page without text."""

    page: int
    code: str
    message: str


class DocumentResult(BaseModel):
    """A converted document."""

    status: Status
    page_count: int = Field(description="Pages that were asked for.")
    engine: str
    output_contract: OutputContract | None = Field(description="None if every page failed.")
    page_source_by_page: dict[str, Source]
    page_source_counts: dict[Source, int]
    errors: list[PageErrorDocument]
    warnings: list[PageWarningDocument] = Field(
        default_factory=list, description="One that says `incomplete` makes the status partial."
    )
    markdown: str
    pages: list[PageDocument]


def assemble(results: Sequence[PageResult], engine: str) -> DocumentResult:
    """Return the result for a document.

    Args:
        results: of all pages that were asked for, in any order.
        engine: what read the pages without a good text layer.
    """
    ordered = sorted(results, key=lambda result: result.number)
    good = _finished([result for result in ordered if result.error is None])
    errors = [
        PageErrorDocument(page=result.number, code=result.error.code, message=result.error.message)
        for result in ordered
        if result.error is not None
    ]
    warnings = [
        PageWarningDocument(
            page=result.number,
            code=warning.code,
            message=warning.message,
            incomplete=warning.incomplete,
        )
        for result in ordered
        for warning in result.warnings
    ]
    pages = [_page(result) for result in good]
    whole = not errors and not any(warning.incomplete for warning in warnings)
    return DocumentResult(
        status="failed" if errors and not pages else "complete" if whole else "partial",
        page_count=len(ordered),
        engine=engine,
        output_contract=_contract(good),
        page_source_by_page={f"{page.page:04}": page.source for page in pages},
        page_source_counts=_counts(pages),
        errors=errors,
        warnings=warnings,
        markdown="\n\n".join(page.markdown for page in pages if page.markdown),
        pages=pages,
    )


def _counts(pages: Sequence[PageDocument]) -> dict[Source, int]:
    """Return how many pages are of each source; the first two are told of every document."""
    counts: dict[Source, int] = {"ocr": 0, "text_layer": 0}
    for page in pages:
        counts[page.source] = counts.get(page.source, 0) + 1
    return counts


def _finished(results: Sequence[PageResult]) -> list[PageResult]:
    """Return pages with what only all of them together tell."""
    boxes = [Box(0, 0, result.width, result.height) for result in results]
    marked = running_furniture(
        [(result.blocks, box) for result, box in zip(results, boxes, strict=True)]
    )
    leveled = with_levels(headings_of_document(with_whole_words(marked)))
    return [
        replace(result, blocks=tuple(blocks))
        for result, blocks in zip(results, leveled, strict=True)
    ]


def _contract(results: Sequence[PageResult]) -> OutputContract | None:
    if not results:
        return None
    if any(result.mixed for result in results) or len({result.source for result in results}) > 1:
        return "mixed_text_layer_fastpath_markdown"
    return "ocr_markdown" if results[0].source == "ocr" else "text_layer_fastpath_markdown"


def _page(result: PageResult) -> PageDocument:
    assert result.source is not None  # only failed pages have none
    return PageDocument(
        page=result.number,
        source=result.source,
        mixed=result.mixed,
        reason=result.reason,
        width=round(result.width, 2),
        height=round(result.height, 2),
        rotation=result.rotation,
        skew=result.skew,
        seconds=round(result.seconds, 4),
        read_by=dict(result.read_by),
        confidence=None if result.confidence is None else round(result.confidence, 4),
        unread_areas=[_corners(area) for area in result.unread_areas],
        unread_share=round(result.unread_share, 4),
        markdown=markdown_of(result.blocks),
        blocks=[_block(block, order) for order, block in enumerate(result.blocks)],
    )


def _corners(box: Box) -> tuple[float, float, float, float]:
    return round(box.left, 2), round(box.top, 2), round(box.right, 2), round(box.bottom, 2)


def _block(block: Block, order: int) -> BlockDocument:
    box = block.box
    return BlockDocument(
        type=block.type,
        text=block.text,
        box=None if box is None else _corners(box),
        order=order,
        source=block.source,
        confidence=None if block.confidence is None else round(block.confidence, 4),
        level=block.level,
        rows=[list(row) for row in block.rows] if block.type == "table" else None,
        part=block.part,
    )
