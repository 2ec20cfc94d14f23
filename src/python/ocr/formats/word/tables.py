"""Tables of a DOCX file as rows of cells."""

from __future__ import annotations

from ocr.formats.word.runs import ParagraphText, RunReader
from ocr.formats.xml import Element, attribute, child, children, descendants, local

_MOST_SPANNED = 64
"""Columns that a cell may span: Word allows as many in all."""


def is_frame(table: Element) -> bool:
    """Return whether a table has one cell, and so is a frame around what it holds."""
    return sum(1 for row in children(table, "tr") for _ in children(row, "tc")) == 1


def cells_of(table: Element, runs: RunReader) -> tuple[list[list[str]], list[ParagraphText]]:
    """Return the cells of a table, and what its paragraphs have beside their text.

    A cell over several columns or rows is the first of them; the others are empty.
    """
    rows: list[list[str]] = []
    texts: list[ParagraphText] = []
    for row in _rows(table):
        cells = [""] * _number(child(row, "trPr", "gridBefore"), 0)
        deleted = child(row, "trPr", "del") is not None
        for cell in _cells(row):
            properties = child(cell, "tcPr")
            merge = child(properties, "vMerge")
            text = _text(cell, runs, texts)
            if deleted or (merge is not None and attribute(merge, "val") != "restart"):
                if deleted and text:
                    texts.append(ParagraphText(deleted=[text]))
                text = ""
            cells += [text, *[""] * (_number(child(properties, "gridSpan"), 1) - 1)]
        if not deleted:
            rows.append(cells)
    return rows, texts


def _rows(table: Element) -> list[Element]:
    found = []
    for inner in table:
        if local(inner) == "tr":
            found.append(inner)
        elif local(inner) in ("sdt", "customXml", "ins", "sdtContent"):
            found.extend(_rows(inner))
    return found


def _cells(row: Element) -> list[Element]:
    found = []
    for inner in row:
        if local(inner) == "tc":
            found.append(inner)
        elif local(inner) in ("sdt", "customXml", "sdtContent"):
            found.extend(_cells(inner))
    return found


def _text(cell: Element, runs: RunReader, texts: list[ParagraphText]) -> str:
    parts = []
    for paragraph in descendants(cell, "p"):
        text = runs.read(paragraph)
        parts.append("".join(text.shown).strip())
        text.boxes.clear()  # their paragraphs are descendants of the cell as well
        texts.append(text)
    return " ".join(part for part in parts if part)


def _number(element: Element | None, default: int) -> int:
    value = attribute(element, "val")
    return min(int(value), _MOST_SPANNED) if value.isdecimal() and len(value) < 5 else default
