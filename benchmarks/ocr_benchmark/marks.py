"""Markdown as text and tables, so that programs that write it are compared by what they read."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt

_RULE = re.compile(r"^\s*\|?[\s:|-]+\|?\s*$", re.M)
_COMMENT = re.compile(r"<!--.*?-->", re.S)
_MARKS = re.compile(r"^\s*(?:#{1,6}|[-*+]|\d+\.|>)\s+|[*_`]|\\(?=[^\w\s])", re.M)


def tables_of(markdown: str) -> list[list[list[str]]]:
    """Return the cells of all tables."""
    tables: list[list[list[str]]] = []
    for token in MarkdownIt("commonmark").enable("table").parse(markdown):
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            tables[-1].append([])
        elif token.type == "inline" and tables and tables[-1] and token.level >= 4:
            tables[-1][-1].append(token.content)
    # A table of HTML without a head has an empty one in Markdown.
    return [[row for row in table if any(cell.strip() for cell in row)] for table in tables]


def without_marks(markdown: str) -> str:
    """Return the text without headings' hashes, bullets, rules of tables and comments."""
    plain = _RULE.sub("", _COMMENT.sub("", markdown))
    return _MARKS.sub("", plain).replace("|", " ")
