"""Headers, footers and page numbers: what is printed on every page and is not read with it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from ocr.geometry import Box
from ocr.layout.block import Block, BlockType

_TOP = 0.1
_BOTTOM = 0.9
"""Shares of the page's height between which its text is."""
_NUMBER = re.compile(
    r"(?:(?:page|seite|p\.?|pagina|página|страница)\s*)?[-\u2013\u2014|]?\s*(?:\d{1,4}|[ivxlc]{1,6})\s*[-\u2013\u2014|]?"
    r"(?:\s*(?:/|of|von|de|sur|из)\s*\d{1,4})?",
    re.I,
)
_DIGITS = re.compile(r"\d+")
_SAME_HEIGHT = 0.01
_LONGEST = 160


def page_furniture(blocks: Sequence[Block], page: Box) -> list[Block]:
    """Return the blocks of one page, with page numbers at its edges marked as such."""
    return [
        (
            replace(block, type=zone, level=0)
            if (zone := _zone(block, page)) and _NUMBER.fullmatch(block.text.strip())
            else block
        )
        for block in blocks
    ]


def running_furniture(pages: Sequence[tuple[Sequence[Block], Box]]) -> list[list[Block]]:
    """Return the blocks of pages, with what several pages have at the same place marked as such.

    Args:
        pages: of one document, in order, each with its size.
    """
    places: dict[tuple[str, int], set[int]] = defaultdict(set)
    for number, (blocks, page) in enumerate(pages):
        for block in blocks:
            for key in _keys(block, page):
                places[key].add(number)
    least = max(2, min(3, len(pages) // 2))
    marked: list[list[Block]] = []
    for blocks, page in pages:
        marked.append([])
        for block in blocks:
            zone = _zone(block, page)
            if zone and any(len(places[key]) >= least for key in _keys(block, page)):
                block = replace(block, type=zone, level=0)
            marked[-1].append(block)
    return marked


def _zone(block: Block, page: Box) -> BlockType | None:
    """Return `header` or `footer` by where a block is; None if it is neither."""
    if block.box is None or block.type == "table" or len(block.text) > _LONGEST:
        return None
    if block.box.bottom < page.height * _TOP:
        return "header"
    return "footer" if block.box.top > page.height * _BOTTOM else None


def _keys(block: Block, page: Box) -> list[tuple[str, int]]:
    """Return what a block is compared by: its text without numbers, and how high it stands."""
    if block.box is None or not _zone(block, page):
        return []
    text = _DIGITS.sub("#", block.text.casefold())
    step = round(block.box.middle / (page.height * _SAME_HEIGHT))
    return [(text, near) for near in (step - 1, step, step + 1)]
