"""What a text is, which its bytes alone do not always tell: by its name or its media type."""

from __future__ import annotations

from typing import Literal

TextFormat = Literal["text", "markdown", "csv", "html", "eml"]
"""What a text is, which its bytes alone do not always tell."""

_BY_ENDING: dict[str, TextFormat] = {
    "txt": "text", "text": "text", "log": "text",
    "md": "markdown", "markdown": "markdown",
    "csv": "csv", "tsv": "csv",
    "html": "html", "htm": "html", "xhtml": "html",
    "eml": "eml",
}  # fmt: skip
_BY_TYPE: dict[str, TextFormat] = {
    "text/markdown": "markdown",
    "text/x-markdown": "markdown",
    "text/csv": "csv",
    "text/tab-separated-values": "csv",
    "text/html": "html",
    "application/xhtml+xml": "html",
    "message/rfc822": "eml",
}


def text_format(name: str, media_type: str = "") -> TextFormat | None:
    """Return what a text is by the name of its file, or by its media type; None if unknown."""
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    kind = media_type.partition(";")[0].strip().lower()
    return _BY_ENDING.get(ending) or _BY_TYPE.get(kind)
