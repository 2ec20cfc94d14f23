"""Whether bytes hold other bytes, at a price that the path of each event can pay."""

# compiled: runs for each event.

from __future__ import annotations


def holds(text: bytes, part: bytes) -> bool:
    """Return whether a text holds a part, as `part in text` does.

    `in` costs ten times as much: it first takes the part for an integer, and the error that this
    makes is worded before it is dropped (CPython, `_Py_bytes_contains`).
    """
    return text.find(part) >= 0
