"""Headers, footers and page numbers: what is printed on every page and is not read with it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ocr.geometry import Box
from ocr.layout.block import Block, BlockType

_TOP = 0.1
_BOTTOM = 0.9
"""Shares of the page's height between which its text is."""
_ROMAN = r"(?=[ivxlc])(?:xc|xl|l?x{0,3}|c{1,3}(?:xc|xl|l?x{0,3}))(?:ix|iv|v?i{0,3})"
"""Numbers from 1 to 399: the pages of a preface."""
_NUMBER = re.compile(
    r"(?:(?:page|seite|p\.?|pagina|página|страница)\s*)?"
    rf"[-\u2013\u2014|]?\s*(?:\d{{1,4}}|{_ROMAN})\s*[-\u2013\u2014|]?"
    r"(?:\s*(?:/|of|von|de|sur|из)\s*\d{1,4})?",
    re.I,
)
_DIGITS = re.compile(r"\d{1,9}")
_SAME_HEIGHT = 0.01
_LONGEST = 160
_LARGER = 1.15
"""Of the page's usual type: a page number is not set larger than text."""
_IDENTICAL_TITLES = 3
"""Pages from which the same words in the size of a heading are a running header."""

_Key = tuple[str, int]


def page_furniture(blocks: Sequence[Block], page: Box) -> list[Block]:
    """Return the blocks of one page, with page numbers at its edges marked as such."""
    if len(blocks) < 2:
        return list(blocks)  # all that a page says is no furniture
    body = _body_size(blocks)
    return [
        (
            replace(block, type=zone, level=0)
            if (zone := _zone(block, page))
            and block.size <= _LARGER * body
            and _is_page_number(block)
            else block
        )
        for block in blocks
    ]


def _is_page_number(block: Block) -> bool:
    """Return whether a block is a number of a page. Bold letters are a title: LIV, MIX."""
    text = block.text.strip()
    spelt = not any(character.isdigit() for character in text)
    return bool(_NUMBER.fullmatch(text)) and not (spelt and block.bold)


def running_furniture(pages: Sequence[tuple[Sequence[Block], Box]]) -> list[list[Block]]:
    """Return the blocks of pages, with what several pages have at the same place marked as such.

    What repeats is kept where it comes first: a letterhead is part of the letter. What is set as a
    heading is furniture only if several pages have the very same words: titles may be numbered.

    Args:
        pages: of one document, in order, each with its size.
    """
    places: dict[_Key, set[int]] = defaultdict(set)
    for number, (blocks, page) in enumerate(pages):
        for block in blocks:
            for key in _keys(block, page, number):
                places[key].add(number)
    least = max(2, min(3, len(pages) // 2))
    marked: list[list[Block]] = []
    for number, (blocks, page) in enumerate(pages):
        marked.append([])
        for block in blocks:
            zone = _zone(block, page)
            if zone and _repeats(block, page, number, places, least):
                block = replace(block, type=zone, level=0)
            marked[-1].append(block)
    return marked


def _repeats(
    block: Block, page: Box, number: int, places: dict[_Key, set[int]], least: int
) -> bool:
    """Return whether a block is furniture that an earlier page has as well."""
    if block.type == "heading":
        pages = _together(places, _near(block.text.casefold(), block, page))
        return len(pages) >= _IDENTICAL_TITLES and number > min(pages)
    return any(
        len(pages) >= least and number > min(pages)
        for text in _texts(block, number)
        if (pages := _together(places, _near(text, block, page)))
    )


def _together(places: dict[_Key, set[int]], keys: Sequence[_Key]) -> set[int]:
    return max((places.get(key, set()) for key in keys), key=len)


def _body_size(blocks: Sequence[Block]) -> float:
    """Return the size in which most of the characters of a page are set."""
    sizes: dict[float, int] = defaultdict(int)
    for block in blocks:
        sizes[block.size] += len(block.text)
    return max(sizes, key=lambda size: sizes[size])


def _zone(block: Block, page: Box) -> BlockType | None:
    """Return `header` or `footer` by where a block is; None if it is neither."""
    if block.box is None or block.type in ("table", "code") or len(block.text) > _LONGEST:
        return None
    if block.box.bottom < page.height * _TOP:
        return "header"
    return "footer" if block.box.top > page.height * _BOTTOM else None


def _keys(block: Block, page: Box, number: int) -> list[_Key]:
    """Return what a block is compared by: its text, and how high it stands."""
    if block.box is None or not _zone(block, page):
        return []
    return [key for text in _texts(block, number) for key in _near(text, block, page)]


def _near(text: str, block: Block, page: Box) -> list[_Key]:
    assert block.box is not None  # what has none is in no zone
    step = round(block.box.middle / (page.height * _SAME_HEIGHT))
    return [(text, near) for near in (step - 1, step, step + 1)]


def _texts(block: Block, number: int) -> Iterator[str]:
    """Yield a block's text, and the same with a number that rises with the page left out.

    Numbers that rise otherwise are not left out: they tell apart what only looks alike.
    """
    text = block.text.casefold()
    yield text
    for match in _DIGITS.finditer(text):
        yield f"{text[: match.start()]}#{int(match[0]) - number}#{text[match.end() :]}"
