"""Server-sent events, taken apart as bytes arrive: pure, incremental, bounded.

The format is WHATWG HTML, section 9.2.6 "Interpreting an event stream". Lines end in LF, CRLF or
CR, an empty line ends an event, and any of it may be split over reads. Data stays bytes, so a
character of UTF-8 may be split too.
"""

# compiled: runs for each request.

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from llm_provider.byte_search import holds
from llm_provider.errors import EventTooLarge
from llm_provider.json_text import MAX_VALUES, SMALL_BYTES, has_more_values

DEFAULT_MAX_EVENT_BYTES: Final = 16 * 1024 * 1024
"""No engine sends an event of this size; what does is no event stream."""

_FEW_LINES_BYTES: Final = 64 * 1024
_MAX_LINES: Final = 10_000
"""Of an event of more than `_FEW_LINES_BYTES`: each is cut off and looked at."""

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

# Atomic groups: CRLF must never be read as CR followed by LF, which would be an empty line.
_END_OF_EVENT: Final = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
END_OF_LINE: Final = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        data: the values of its `data` lines, joined by LF.
        type: the value of its `event` line, or `message`.
    """

    data: bytes
    type: str = "message"


class EventSplitter:
    """Cuts a stream between events. All that it returns, joined, is all that it was fed.

    Args:
        upstream: named in errors.
        max_event_bytes: more than this is never held back.
    """

    __slots__ = ("_after_cr", "_held", "_limit", "_upstream")

    def __init__(
        self, upstream: str = "", *, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES
    ) -> None:
        self._upstream = upstream
        self._limit = max_event_bytes
        self._held = bytearray()
        self._after_cr = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the blocks that are now complete, each with the empty line that ends it.

        Raises:
            EventTooLarge: an event does not end within the limit, or takes long to read. Nothing
                can be fed afterwards.
        """
        if not self._held and not self._after_cr and not holds(chunk, b"\r"):
            # The usual read: whole events, with LF.
            if chunk.find(b"\n\n") == len(chunk) - 2 and len(chunk) > 1:
                return [chunk]
            if chunk.endswith(b"\n\n"):
                return [block + b"\n\n" for block in chunk[:-2].split(b"\n\n")]
        return self._cut(chunk)

    @property
    def holds(self) -> bool:
        """Whether what is fed next may go on with what was fed before."""
        return self._after_cr or bool(self._held)

    def finish(self) -> bytes:
        """Return what is left when the stream has ended: an event that its sender did not end."""
        rest = bytes(self._held)
        self._held.clear()
        return rest

    def _cut(self, chunk: bytes) -> list[bytes]:
        blocks: list[bytes] = []
        if self._after_cr and chunk:
            self._after_cr = False
            if chunk.startswith(b"\n"):
                # The second half of a CRLF whose CR has ended an event already.
                blocks.append(b"\n")
                chunk = chunk[1:]
        held = self._held
        # An end of event is at most four bytes long and may have begun in what is held.
        search_from = max(0, len(held) - 3)
        held += chunk
        start = 0
        while (match := _END_OF_EVENT.search(held, search_from)) is not None:
            search_from = match.end()
            block = bytes(held[start:search_from])
            if len(block) > _FEW_LINES_BYTES:
                self._check_work(block)
            blocks.append(block)
            start = search_from
        del held[:start]
        if not held:
            self._after_cr = bool(blocks) and blocks[-1].endswith(b"\r")
        elif held[0] == ord(":") and _is_one_line(held):
            # A comment is a sign of life: it goes on even if no empty line follows.
            blocks.append(bytes(held))
            held.clear()
        if len(held) > self._limit:
            raise EventTooLarge(self._upstream, self._limit)
        return blocks

    def _check_work(self, block: bytes) -> None:
        """See that a large event can be read within the time that others may be held up.

        Raises:
            EventTooLarge: it has too many lines or values.
        """
        if block.count(b"\n") + block.count(b"\r") > _MAX_LINES:
            raise EventTooLarge(self._upstream, _MAX_LINES, "lines")
        if len(block) > SMALL_BYTES and has_more_values(block, MAX_VALUES):
            raise EventTooLarge(self._upstream, MAX_VALUES, "values")


def _is_one_line(held: bytearray) -> bool:
    """Return whether this is one whole line, ended by LF or CRLF."""
    return held.find(b"\n") == len(held) - 1 and held.find(b"\r", 0, len(held) - 2) < 0


class EventParser:
    """Turns the bytes of a stream into events.

    An event that is not ended by an empty line is dropped at the end of the stream, as the standard
    has it: it may be half of one.

    Args:
        upstream: named in errors.
        max_event_bytes: the size of an event at most.
    """

    __slots__ = ("_splitter",)

    def __init__(
        self, upstream: str = "", *, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES
    ) -> None:
        self._splitter = EventSplitter(upstream, max_event_bytes=max_event_bytes)

    def feed(self, chunk: bytes) -> list[Event]:
        """Return the events that are now complete.

        Raises:
            EventTooLarge: an event does not end within the limit. Nothing can be fed afterwards.
        """
        blocks = self._splitter.feed(chunk)
        return [event for block in blocks if (event := event_of(block)) is not None]


def event_of(block: bytes) -> Event | None:
    """Return the event of one block, or None if it has no data (comments, a bare `event` line)."""
    data = data_of(block)
    if data is None:
        return None
    event_type = b""
    if holds(block, b"event"):
        for line in END_OF_LINE.split(block.removeprefix(BYTE_ORDER_MARK)):
            name, _, value = line.partition(b":")
            if name == b"event":
                event_type = value.removeprefix(b" ")
    return Event(data, event_type.decode("utf-8", "replace") or "message")


def data_of(block: bytes) -> bytes | None:
    """Return the data of one block, or None if it has none."""
    if (
        block.startswith(b"data: ")
        and block.find(b"\n") == len(block) - 2
        and not holds(block, b"\r")
    ):
        # The usual block: one line of data.
        return block[6:-2]
    lines = END_OF_LINE.split(block.removeprefix(BYTE_ORDER_MARK))
    values = [
        value.removeprefix(b" ")
        for name, _, value in (line.partition(b":") for line in lines)
        if name == b"data"
    ]
    return b"\n".join(values) if values else None
