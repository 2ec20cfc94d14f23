"""Which blocks are headings by their size, as the whole document tells and not one page of it.

A page alone is laid out against its own usual size. On a slide with much small print that is the
small print, and on a page of notes the notes: then all that is larger looks like headings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ocr.layout.block import Block
from ocr.layout.lines import usual_size

OTHER_SIZE = 1.15
"""Times the usual size from which type is larger than text."""
OTHER_SIZE_SCANNED = 1.3
"""Sizes in scans are measured on the ink, which differs from line to line."""
LONE_LINE_SCANNED = 1.1
"""A line that stands alone and ends without a stop is a heading at this size already."""
HEADING_LETTERS = 160
_TEXT = ("paragraph", "list_item", "heading", "code")


def headings_of_document(pages: Sequence[Sequence[Block]]) -> list[list[Block]]:
    """Return the blocks of all pages; headings that are no larger than text are paragraphs.

    Bold ones stay, and so do those of files that say themselves what is a heading.
    """
    if len(pages) < 2:
        return [list(page) for page in pages]
    body = usual_size(
        (block.size, len(block.text))
        for page in pages
        for block in page
        if block.size and block.type in _TEXT
    )
    return [
        [
            replace(block, type="paragraph", level=0) if _is_text(block, body) else block
            for block in page
        ]
        for page in pages
    ]


def _is_text(block: Block, body: float) -> bool:
    if block.type != "heading" or block.source == "document" or block.bold or not block.size:
        return False
    return block.size <= (LONE_LINE_SCANNED if block.source == "ocr" else OTHER_SIZE) * body
