"""Lists of pages as people write them: `1-3,7`."""

from __future__ import annotations

import re

from ocr.errors import PagesWrong

_RANGE = re.compile(r"\s*(\d{1,6})\s*(?:(-)\s*(\d{1,6})?\s*)?")


def selected_pages(text: str | None, count: int) -> tuple[int, ...]:
    """Return the pages that are meant, each once and in order. The first page is 1.

    Args:
        text: numbers and ranges with commas between; `5-` goes on to the end. None means all.
        count: how many pages the document has.

    Raises:
        PagesWrong: it is written otherwise, or the document has no such page.
    """
    if text is None:
        return tuple(range(1, count + 1))
    pages: set[int] = set()
    for part in text.split(","):
        match = _RANGE.fullmatch(part)
        if match is None:
            raise PagesWrong(f"pages {text!r}: {part!r} is not a page or a range; write 1-3,7")
        first = int(match[1])
        last = int(match[3]) if match[3] else count if match[2] else first
        if not 1 <= first <= last <= count:
            raise PagesWrong(
                f"pages {text!r}: {part.strip()!r} is outside of 1-{count}, which the document has"
            )
        pages.update(range(first, last + 1))
    return tuple(sorted(pages))
