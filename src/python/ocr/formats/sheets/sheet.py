"""One sheet, read as a stream: cells with their places, and which of them are hidden."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from lxml import etree  # type: ignore[import-untyped]

from ocr.errors import DocumentBroken, PageTooLarge
from ocr.formats.content import MAX_CELLS
from ocr.formats.sheets.number_formats import NumberFormats
from ocr.formats.xml import Element, attribute, child, contents, descendants, local

_PLACE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_COLUMNS = 16_384


@dataclass(slots=True)
class Cells:
    """The cells of a sheet that have a value.

    Attributes:
        rows: values by column, by row; both count from 1.
        hidden_rows: rows that are not shown.
        hidden_columns: likewise.
        valueless: formulas whose result nobody has stored.
        header: what is printed on top of its pages.
        footer: likewise, below.
    """

    rows: dict[int, dict[int, str]] = field(default_factory=dict)
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)
    valueless: int = 0
    header: str = ""
    footer: str = ""


def read_cells(
    content: bytes, name: str, shared: Callable[[str], str], formats: NumberFormats
) -> Cells:
    """Read a sheet; rows are let go of as soon as they are read.

    Args:
        name: of the part, for messages.
        shared: returns the shared string of an index.

    Raises:
        DocumentBroken: it is not well-formed.
        PageTooLarge: it has too many cells.
    """
    cells = Cells()
    count = 0
    events = etree.iterparse(
        io.BytesIO(content),
        events=("end",),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        for _, element in events:
            match local(element):
                case "row":
                    count += _row(element, cells, shared, formats)
                    if count > MAX_CELLS:
                        raise PageTooLarge(
                            f"it has more than {MAX_CELLS:,} cells; split it into smaller sheets"
                        )
                    element.clear()
                    while element.getprevious() is not None:
                        del element.getparent()[0]
                case "col" if attribute(element, "hidden") in ("1", "true"):
                    last = min(_number(attribute(element, "max")), _COLUMNS)
                    cells.hidden_columns.update(range(_number(attribute(element, "min")), last + 1))
                case "oddHeader":
                    cells.header = _printed(element.text or "")
                case "oddFooter":
                    cells.footer = _printed(element.text or "")
    except (etree.XMLSyntaxError, ValueError) as error:
        raise DocumentBroken(f"its part {name[:200]!r} is no sound XML: {error}") from None
    if events.root is not None and events.root.getroottree().docinfo.internalDTD is not None:
        raise DocumentBroken(f"its part {name[:200]!r} declares a document type, which is refused")
    return cells


def _row(row: Element, cells: Cells, shared: Callable[[str], str], formats: NumberFormats) -> int:
    number = _number(attribute(row, "r")) or max(cells.rows, default=0) + 1
    found: dict[int, str] = {}
    column = 0
    for cell in contents(row):
        if local(cell) != "c":
            continue
        place = _PLACE.fullmatch(attribute(cell, "r"))
        column = _column(place[1]) if place else column + 1
        value = _value(cell, shared, formats)
        if value is None:
            cells.valueless += 1
        elif value and column <= _COLUMNS:
            found[column] = value
    if found:
        cells.rows.setdefault(number, {}).update(found)
        if attribute(row, "hidden") in ("1", "true"):
            cells.hidden_rows.add(number)
    return len(found)


def _value(cell: Element, shared: Callable[[str], str], formats: NumberFormats) -> str | None:
    """Return what a cell shows; None for a formula without a result."""
    kind = attribute(cell, "t", "n")
    if kind == "inlineStr":
        return text_of(child(cell, "is"))
    stored = child(cell, "v")
    if stored is None:
        return None if child(cell, "f") is not None else ""
    value = stored.text or ""
    match kind:
        case "s":
            return shared(value)
        case "b":
            return "TRUE" if value == "1" else "FALSE"
        case "n":
            return formats.shown(value, attribute(cell, "s", "0"))
    return value


def text_of(element: Element | None) -> str:
    """Return a string with its runs joined; readings of characters (ruby) are left out."""
    if element is None:
        return ""
    parts = []
    for found in descendants(element, "t"):
        parent = found.getparent()
        if parent is None or local(parent) != "rPh":
            parts.append(found.text or "")
    return "".join(parts)


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 9 else 0


def _printed(code: str) -> str:
    """Return a header without its codes for fonts, places and numbers of pages."""
    return " ".join(re.sub(r'&"[^"]*"|&\d+|&K[0-9A-F]{6}|&.', " ", code).split())
