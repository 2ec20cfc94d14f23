"""Keeping keys out of whatever others read: logs, names, request ids."""

# compiled: runs for each request.

from __future__ import annotations

import re
from typing import Final

KEY_PREFIX: Final = "sk-"
"""What every key begins with."""

# Longer than words that happen to begin so, shorter than any key that is one.
_SHAPE: Final = re.compile(KEY_PREFIX + r"[A-Za-z0-9_-]{20,}")


def looks_like_key(text: str) -> bool:
    """Return whether somewhere in a text there is what may be a key, and should not be seen."""
    return KEY_PREFIX in text and _SHAPE.search(text) is not None


def without_keys(text: str) -> str:
    """Return a text that may be logged, with what may be keys blotted out."""
    return _SHAPE.sub(f"{KEY_PREFIX}...", text) if KEY_PREFIX in text else text
