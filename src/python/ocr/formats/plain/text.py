"""Plain text: paragraphs, and pages where a form feed divides it."""

from __future__ import annotations

import re

from ocr.formats.content import StructuredPage, WholeDocument
from ocr.formats.plain.decoding import Decoded

_BLANK = re.compile(r"\n[ \t]*\n\s*")
_WRAPPED = 50
"""Characters from which a line is one that was broken to fit, and not one that ends by itself."""
_COLUMNS = re.compile(r"\S {2,}\S")
"""Text that is set by spaces: a table or a drawing, which is as it stands or nothing."""


def open_text(text: Decoded) -> WholeDocument:
    """Return plain text as a document.

    Raises:
        PageTooLarge: it has more than a page may have.
    """
    pages = []
    for number, content in enumerate(text.text.split("\f"), 1):
        page = StructuredPage(number, "plain text")
        if text.guessed:
            page.notices["encoding_guessed"] += 1
        add_text(content, page)
        pages.append(page)
    return WholeDocument("text", pages)


def add_text(text: str, page: StructuredPage) -> None:
    """Add plain text to a page: paragraphs are what blank lines divide."""
    for paragraph in _BLANK.split(text.strip("\n")):
        lines = [line.rstrip() for line in paragraph.split("\n") if line.strip()]
        if not lines:
            continue
        if sum(bool(_COLUMNS.search(line)) for line in lines) > 1:
            page.code("\n".join(lines))
        elif all(len(line) >= _WRAPPED for line in lines[:-1]):
            page.paragraph(" ".join(line.strip() for line in lines))
        else:
            for line in lines:
                page.paragraph(line)
