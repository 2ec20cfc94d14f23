"""What begins an item of a list."""

from __future__ import annotations

import re
from collections.abc import Iterable

BULLETS = "•‣◦▪▫●○■□\u2013\u2014*·∙➢✓-"
_MARKER = re.compile(
    rf"(?P<bullet>[{re.escape(BULLETS)}])(?=\s|$)|(?P<number>\(?\d{{1,3}}[.)])(?=\s|$)"
)
_LETTER = re.compile(r"\(?[a-zA-Z][.)](?=\s|$)")


def marker_of(text: str) -> str:
    """Return the bullet or number that a line begins with, as printed; empty if there is none."""
    match = _MARKER.match(text) or _LETTER.match(text)
    return match.group() if match else ""


def lone_letters(texts: Iterable[str]) -> frozenset[str]:
    """Return the letters that lines begin with like items, and that stand in no alphabet.

    "A." beside "B." is an item. "J." is somebody's first name; "Q." and "A." say who speaks.
    """
    letters = {
        marker for text in texts if (marker := marker_of(text)) and _LETTER.fullmatch(marker)
    }
    return frozenset(
        marker for marker in letters if not any(near in letters for near in _neighbours(marker))
    )


def _neighbours(marker: str) -> tuple[str, str]:
    """Return what the items before and after have in place of a marker: "a)" and "c)" for "b)"."""
    letter = marker.strip("().")
    return (
        marker.replace(letter, chr(ord(letter) - 1)),
        marker.replace(letter, chr(ord(letter) + 1)),
    )


def is_marker(text: str) -> bool:
    """Return whether there is nothing but a marker."""
    return bool(text) and marker_of(text) == text
