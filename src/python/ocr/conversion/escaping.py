"""Text that Markdown shows as it is."""

from __future__ import annotations

import re

_SPECIAL = re.compile(
    r"[\\`*<~]|\[(?!(?:x| )\])|(?<!\[(?:x| ))\]|(?<=\[(?:x| ))\](?=[(\[:])|"
    r"(?<![^\W_])_|_(?![^\W_])|&(?=#|[A-Za-z])|!(?=\[)"
)
"""Signs that mean something to Markdown. Boxes, [x] and [ ], do not unless an address follows."""
_AT_LINE_START = re.compile(r"(?:#{1,6}(?=\s|$)|[-+](?=\s|$)|=+\s*$|-{2,}\s*$|>)")
_NUMBERED = re.compile(r"(\d{1,9})([.)])(?=\s|$)")


def escaped(text: str) -> str:
    """Return a text that Markdown shows as it is, at the start of a line or within one."""
    text = inline(text)
    if _AT_LINE_START.match(text):
        return "\\" + text
    return _NUMBERED.sub(r"\1\\\2", text, count=1) if _NUMBERED.match(text) else text


def inline(text: str) -> str:
    """Return a text that Markdown shows as it is, within a line."""
    return _SPECIAL.sub(lambda match: "\\" + match.group(), " ".join(text.split()))
