"""Bytes as text: by their byte order mark, as UTF-8, or as what else they can only be."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from ocr.errors import FormatUnknown

_MARKS = (
    # The mark of UTF-32 begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROL = re.compile(r"[\0-\x08\x0e-\x1a\x1c-\x1f]")
_SAID = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9._-]{2,40})""", re.I)
_SAID_WITHIN = 2_048
_FALLBACK = "cp1252"


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text.

    Attributes:
        guessed: whether nothing said its encoding, and it is not UTF-8.
    """

    text: str
    guessed: bool = False


def decoded(content: bytes, charset: str | None = None) -> Decoded:
    """Return bytes as text.

    Args:
        charset: that whoever sent it names.

    Raises:
        FormatUnknown: they are no text.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            text = content[len(mark) :].decode(encoding, "replace")
            return Decoded(_checked(text))
    for encoding in filter(None, (charset or _said(content), "utf-8")):
        try:
            return Decoded(_checked(content.decode(encoding)))
        except (UnicodeDecodeError, LookupError):
            continue
    return Decoded(_checked(content.decode(_FALLBACK, "replace")), guessed=True)


def _said(content: bytes) -> str | None:
    """Return the encoding that an HTML or XML file names at its beginning."""
    head = content[:_SAID_WITHIN]
    if not head.lstrip().startswith(b"<"):
        return None
    match = _SAID.search(head)
    return match[1].decode("ascii") if match else None


def _checked(text: str) -> str:
    if _CONTROL.search(text):
        raise FormatUnknown("it is of no format that can be read here")
    return text.replace("\r\n", "\n").replace("\r", "\n")
