"""How deep headings and items of lists are, which only the whole document can tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ocr.layout.block import Block

_DEEPEST = 6
_STEP = 8.0
"""Points of indentation that make an item of a list belong to the one above."""


def with_levels(pages: Sequence[Sequence[Block]]) -> list[list[Block]]:
    """Return the blocks of all pages with levels: the largest headings are 1.

    Headings of a file that says their level itself keep it.
    """
    ranks = _ranks([block for page in pages for block in page if _is_measured(block)])
    return [
        _with_list_levels(
            [
                replace(block, level=_level(block, ranks)) if _is_measured(block) else block
                for block in page
            ]
        )
        for page in pages
    ]


def _is_measured(block: Block) -> bool:
    return block.type == "heading" and block.source != "document"


def _ranks(headings: Sequence[Block]) -> list[float]:
    """Return the sizes that headings have, largest first; sizes that are near count as one."""
    ranks: list[float] = []
    for heading in sorted(headings, key=lambda heading: -heading.size):
        tolerance = 0.88 if heading.source == "ocr" else 0.96
        if not ranks or heading.size < tolerance * ranks[-1]:
            ranks.append(heading.size)
    return ranks


def _level(heading: Block, ranks: Sequence[float]) -> int:
    nearest = min(range(len(ranks)), key=lambda index: abs(ranks[index] - heading.size))
    return min(nearest + 1, _DEEPEST)


def _with_list_levels(blocks: Sequence[Block]) -> list[Block]:
    leveled: list[Block] = []
    lefts: list[float] = []
    for block in blocks:
        if block.type != "list_item" or block.box is None:
            lefts = []
            leveled.append(block)
            continue
        left = block.box.left
        while lefts and left < lefts[-1] - _STEP / 2:
            lefts.pop()
        if not lefts or left > lefts[-1] + _STEP:
            lefts.append(left)
        leveled.append(replace(block, level=min(len(lefts), _DEEPEST)))
    return leveled
