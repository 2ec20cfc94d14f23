"""HTML tables as rows of cells, and those that are no tables but place things."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from ocr.errors import PageTooLarge
from ocr.formats.content import MAX_CELLS
from ocr.formats.xml import Element, attribute, local

_MOST_SPANNED = 1_000
"""Columns that a cell may span (HTML Standard, 4.9.11); rows are bound here likewise."""
_STRUCTURE = ("table", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre")
_GROUPS = ("tbody", "thead", "tfoot")
_ALLOWED = (*_GROUPS, "tr", "td", "th", "caption", "colgroup", "col", "script", "style", "template")
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all", re.I)


def is_layout(table: Element) -> bool:
    """Return whether a table only places things, as in mail: it has structure in its cells, or one
    column."""
    if attribute(table, "role") in ("presentation", "none"):
        return True
    if any(local(inner) in _STRUCTURE or is_hidden(inner) for inner in table.iterdescendants()):
        return True
    if _has_strays(table):
        return True
    widths = [sum(1 for _ in _cells(row)) for row in _rows(table)]
    return max(widths, default=0) <= 1


def is_hidden(element: Element) -> bool:
    """Return whether an element, and all in it, is not shown, as far as it says so itself."""
    attributes = element.attrib
    return "hidden" in attributes or bool(_HIDDEN_STYLE.search(attributes.get("style", "")))


def _has_strays(table: Element) -> bool:
    """Return whether there is text, or an element, where only rows and cells may be."""
    holders = [table, *(e for e in table if local(e) in _GROUPS), *_rows(table)]
    for holder in holders:
        if (holder.text or "").strip():
            return True
        for inner in holder:
            if (inner.tail or "").strip() or local(inner) not in _ALLOWED:
                return True
    return False


def cells_of(table: Element, text_of: Callable[[Element], str]) -> list[list[str]]:
    """Return the cells of a table. One over several columns or rows is the first of them.

    Raises:
        PageTooLarge: it has too many.
    """
    rows: list[list[str]] = []
    taken: dict[int, int] = {}
    count = 0
    for row in _rows(table):
        cells: list[str] = []
        ongoing: dict[int, int] = {}
        for cell in _cells(row):
            while taken.get(len(cells), 0):
                cells.append("")
            across, down = _span(cell, "colspan"), _span(cell, "rowspan")
            for offset in range(across):
                if down > 1:
                    ongoing[len(cells)] = down
                cells.append(text_of(cell) if offset == 0 else "")
                count += 1
                if count > MAX_CELLS:
                    raise PageTooLarge(f"its tables have more than {MAX_CELLS:,} cells")
        taken = {column: left - 1 for column, left in (taken | ongoing).items() if left > 1}
        rows.append(cells)
    return rows


def _rows(table: Element) -> Iterator[Element]:
    for inner in table:
        if local(inner) == "tr":
            yield inner
        elif local(inner) in _GROUPS:
            yield from (row for row in inner if local(row) == "tr")


def _cells(row: Element) -> Iterator[Element]:
    return (cell for cell in row if local(cell) in ("td", "th"))


def _span(cell: Element, name: str) -> int:
    value = attribute(cell, name)
    return max(1, min(int(value), _MOST_SPANNED)) if value.isdecimal() and len(value) < 6 else 1
