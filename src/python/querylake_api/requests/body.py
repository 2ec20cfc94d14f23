"""Reading a request's body, within bounds of size, time, and the work that it makes."""

# compiled: runs for each request.

from __future__ import annotations

import asyncio
from typing import Final

from querylake_api.http_server.asgi import Scope
from querylake_api.http_server.exchange import Exchange
from querylake_api.requests.content_coding import decoded
from querylake_api.requests.disconnect import ClientLeft
from querylake_api.requests.errors import (
    body_too_large,
    body_too_slow,
    too_many_values,
    too_much_text,
)

_SMALL: Final = 100_000
"""Bytes of JSON that take some milliseconds at most, whatever they are."""

_SLICE: Final = 1024 * 1024
"""Bytes that are looked at before others get their turn."""

_MARKS: Final = (b",", b":", b"[", b"{")
"""What stands before nearly every value or name."""

_DENSE_ESCAPES: Final = 32
"""Bytes to each escape; with more escapes, text takes twice as long to parse."""

MAX_DENSE_BYTES: Final = 8 * 1024 * 1024
"""Bytes of text that holds many escapes or more than ASCII: millions of tokens, more than models
read. Files in base64 are none of it."""


async def read_body(
    exchange: Exchange, *, limit: int, seconds: float, max_values: int = 0
) -> bytes:
    """Return the whole body, decoded if it is compressed.

    Args:
        limit: bytes at most, as sent and as decoded.
        max_values: marks at most that JSON has between its values; 0 for no limit. A parser holds
            up the event loop for as long as it takes, which goes by their number.

    Raises:
        ApiError: 413 when it is larger than `limit` or has more than `max_values`, 408 when it
            takes longer than `seconds`, 415 or 400 when it is encoded in a way that is not known
            or is not encoded as it says.
        ClientLeft: the client went away in the middle of it.
    """
    coding = exchange.content_encoding
    arrived = exchange.arrived_body()
    if arrived is not None:
        if len(arrived) > limit:
            raise body_too_large(limit)
        body = arrived
    else:
        if declared_length(exchange.scope) > limit:
            raise body_too_large(limit)
        try:
            async with asyncio.timeout(seconds):
                body = await _read(exchange, limit)
        except TimeoutError:
            raise body_too_slow(seconds) from None
    if coding:
        body = await decoded(body, coding, limit)
    if max_values and len(body) > _SMALL:
        await _check_values(body, max_values)
    return body


async def _read(exchange: Exchange, limit: int) -> bytes:
    # Not a list of pieces: those of two bytes each would take twenty times the memory.
    content = bytearray()
    while True:
        message = await exchange.receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        piece: bytes = message.get("body", b"")
        if len(content) + len(piece) > limit:
            raise body_too_large(limit)
        more = message.get("more_body", False)
        if not more and not content:
            return piece
        content += piece
        if not more:
            return bytes(content)


async def _check_values(body: bytes, most: int) -> None:
    """See that a body can be parsed within the time that others may be held up.

    Marks inside strings count too: it is a bound and no count.

    Raises:
        ApiError: 413.
    """
    marks = 0
    dense = 0
    for start in range(0, len(body), _SLICE):
        piece = body[start : start + _SLICE]
        for mark in _MARKS:
            marks += piece.count(mark)
        if marks > most:
            raise too_many_values(most)
        if not piece.isascii() or piece.count(b"\\") * _DENSE_ESCAPES > len(piece):
            dense += len(piece)
        if dense > MAX_DENSE_BYTES:
            raise too_much_text(MAX_DENSE_BYTES)
        await asyncio.sleep(0)


def declared_length(scope: Scope) -> int:
    """Return how many bytes the client says the body has; 0 if it does not say."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
