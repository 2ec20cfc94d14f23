"""Reading a request's body, within bounds of size and time."""

from __future__ import annotations

import asyncio

from querylake_api.http_server.asgi import Receive, Scope
from querylake_api.http_server.exchange import EXCHANGE, Exchange
from querylake_api.requests.disconnect import ClientLeft
from querylake_api.requests.errors import body_too_large, body_too_slow


async def read_body(scope: Scope, receive: Receive, *, limit: int, seconds: float) -> bytes:
    """Return the whole body.

    Raises:
        ApiError: 413 when it is larger than `limit` bytes, 408 when it takes longer than `seconds`.
        ClientLeft: the client went away in the middle of it.
    """
    exchange: Exchange | None = scope.get(EXCHANGE)
    if exchange is not None and exchange.body_complete:
        body = exchange.body()
        if len(body) > limit:
            raise body_too_large(limit)
        return body
    if declared_length(scope) > limit:
        raise body_too_large(limit)
    try:
        async with asyncio.timeout(seconds):
            return await _read(receive, limit)
    except TimeoutError:
        raise body_too_slow(seconds) from None


async def _read(receive: Receive, limit: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        piece: bytes = message.get("body", b"")
        size += len(piece)
        if size > limit:
            raise body_too_large(limit)
        pieces.append(piece)
        if not message.get("more_body", False):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def declared_length(scope: Scope) -> int:
    """Return how many bytes the client says the body has; 0 if it does not say."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
