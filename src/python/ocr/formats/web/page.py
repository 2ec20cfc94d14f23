"""A page of HTML that came by itself."""

from __future__ import annotations

from ocr.formats.content import StructuredPage, WholeDocument
from ocr.formats.plain.decoding import Decoded
from ocr.formats.web.html import add_html
from ocr.formats.web.parsing import parsed_html


def open_html(text: Decoded) -> WholeDocument:
    """Return an HTML file as a document of one page.

    Raises:
        DocumentBroken: it cannot be read.
        PageTooLarge: it has more than a page may have.
    """
    page = StructuredPage(1, "an HTML page")
    if text.guessed:
        page.notices["encoding_guessed"] += 1
    add_html(parsed_html(text.text), page)
    return WholeDocument("html", [page])
