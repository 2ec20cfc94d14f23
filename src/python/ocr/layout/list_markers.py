"""What begins an item of a list."""

from __future__ import annotations

import re

BULLETS = "•‣◦▪▫●○■□\u2013\u2014*·∙➢✓-"
_MARKER = re.compile(
    rf"(?P<bullet>[{re.escape(BULLETS)}])(?=\s|$)|(?P<number>\(?\d{{1,3}}[.)])(?=\s|$)"
)
_LETTER = re.compile(r"\(?[a-zA-Z][.)](?=\s|$)")


def marker_of(text: str) -> str:
    """Return the bullet or number that a line begins with, as printed; empty if there is none."""
    match = _MARKER.match(text) or _LETTER.match(text)
    return match.group() if match else ""


def is_marker(text: str) -> bool:
    """Return whether there is nothing but a marker."""
    return bool(text) and marker_of(text) == text
