"""Whether a text ends in a loop: the same words again and again, until something stopped it.

That is how a model degenerates when its weights, its cache or its sampling are broken; the response
has a usual form and a usual status. Only the end is looked at, since a loop does not end by itself.
"""

# compiled: runs for each piece of each stream.

from __future__ import annotations

from typing import Final

TAIL_BYTES: Final = 1024
"""Of a text that are kept; twice as many at most while it grows."""

LOOP_BYTES: Final = 200
TIMES: Final = 3
"""The last `LOOP_BYTES` at least must be a loop, and it must have gone round so many times."""

_PROBE_BYTES: Final = 32


class TextTail:
    """The last bytes of a text that comes in pieces."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = bytearray()

    def add(self, text: bytes) -> None:
        """Append a piece of the text."""
        tail = self._tail
        tail += text
        if len(tail) > 2 * TAIL_BYTES:
            del tail[:-TAIL_BYTES]

    @property
    def loops(self) -> bool:
        """Whether the text ends in a loop, as far as it came."""
        return ends_in_loop(bytes(self._tail))


def ends_in_loop(text: bytes) -> bool:
    """Return whether a text ends in a loop.

    The last bytes are looked for in what is before them: the distance is the length of the loop, if
    there is one. Takes about a microsecond, whatever the text.
    """
    text = text[-TAIL_BYTES:]
    probe = text[-_PROBE_BYTES:]
    found = text.rfind(probe, 0, -1)
    if len(text) < LOOP_BYTES or found < 0:
        return False
    period = len(text) - len(probe) - found
    looped = max(LOOP_BYTES, TIMES * period)
    return looped <= len(text) and text[-looped:-period] == text[period - looped :]
