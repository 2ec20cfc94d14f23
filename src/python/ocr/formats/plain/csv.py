"""CSV files (RFC 4180 and what else goes by that name): one table."""

from __future__ import annotations

import csv
import io

from ocr.errors import DocumentBroken, DocumentTooLarge
from ocr.formats.content import MAX_CELLS, StructuredPage, WholeDocument
from ocr.formats.plain.decoding import Decoded

_SAMPLE = 20_000
_DELIMITERS = ",;\t|"
_LONGEST_CELL = 1_000_000
"""Characters."""


def open_csv(text: Decoded) -> WholeDocument:
    """Return a CSV file as a document of one page.

    Raises:
        DocumentBroken: its quotes do not end.
        DocumentTooLarge: it has too many cells.
    """
    page = StructuredPage(1, "a CSV file")
    if text.guessed:
        page.notices["encoding_guessed"] += 1
    csv.field_size_limit(_LONGEST_CELL)
    rows: list[list[str]] = []
    count = 0
    try:
        reader = csv.reader(io.StringIO(text.text), delimiter=_delimiter(text.text))
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            rows.append([" ".join(cell.split()) for cell in row])
            count += len(row)
            if count > MAX_CELLS:
                raise DocumentTooLarge(f"it has more than {MAX_CELLS:,} cells; split it")
    except csv.Error as error:
        raise DocumentBroken(f"it is no CSV file that can be read: {error}") from None
    if rows:
        page.table(rows)
    return WholeDocument("csv", [page])


def _delimiter(text: str) -> str:
    """Return what most evenly divides the first lines, outside of quotes; else a comma."""
    lines = text[:_SAMPLE].split("\n")[:50]
    best, best_score = ",", 0.0
    for delimiter in _DELIMITERS:
        counts = [len(row) - 1 for row in csv.reader(lines, delimiter=delimiter) if any(row)]
        if not counts or not max(counts):
            continue
        most = max(set(counts), key=counts.count)
        score = counts.count(most) / len(counts) * min(most, 3) if most else 0.0
        if score > best_score:
            best, best_score = delimiter, score
    return best
