"""Links and stressed words in a text that is Markdown already."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from ocr.conversion.escaping import inline
from ocr.layout.block import Span

_BRACKET = re.compile(r"[\[\]]")
_NOT_IN_ADDRESS = re.compile(r"[\x00-\x20()<>\\\x7f]")
"""What would end an address early."""


def with_marks(text: str, spans: Sequence[Span]) -> str:
    """Return a text with the marks of its spans, each where it comes next in the text.

    Args:
        text: escaped.
        spans: all of the text in pieces. What is not found, because it was put together
            differently, stays as it is.
    """
    done = ""
    for span in spans:
        for line in span.text.split("\n"):
            label = inline(line)
            before, found, after = text.partition(label) if label else (text, "", "")
            if not found:
                continue
            marked = _marked(label, span, (done + before)[-1:], after[:1])
            done, text = f"{done}{before}{marked}", after
    return done + text


def _marked(label: str, span: Span, before: str, after: str) -> str:
    stars = ("**" if span.bold else "") + ("*" if span.italic else "")
    if stars and _opens(before, label[0]) and _opens(after, label[-1]):
        label = f"{stars}{label}{stars[::-1]}"
    if span.link and not _BRACKET.search(span.text):
        address = _NOT_IN_ADDRESS.sub(lambda match: f"%{ord(match[0]):02X}", span.link)
        return f"[{label}]({address})"
    return label


def _opens(outside: str, inside: str) -> bool:
    """Return whether stars between two characters are marks (CommonMark 0.31, 6.2)."""
    return not _is_sign(inside) or not outside or outside.isspace() or _is_sign(outside)


def _is_sign(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"
