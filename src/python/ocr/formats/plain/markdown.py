"""Markdown (CommonMark with GitHub's tables), by way of the HTML that it stands for."""

from __future__ import annotations

from markdown_it import MarkdownIt

from ocr.formats.content import StructuredPage, WholeDocument
from ocr.formats.plain.decoding import Decoded
from ocr.formats.web.html import add_html
from ocr.formats.web.parsing import parsed_html


def open_markdown(text: Decoded) -> WholeDocument:
    """Return a Markdown file as a document of one page.

    Raises:
        PageTooLarge: it has more than a page may have.
    """
    page = StructuredPage(1, "a Markdown file")
    if text.guessed:
        page.notices["encoding_guessed"] += 1
    rendered = MarkdownIt("commonmark").enable("table").render(text.text)
    add_html(parsed_html(rendered), page)
    return WholeDocument("markdown", [page])
