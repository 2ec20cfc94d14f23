"""What bodies are refused before they are parsed."""

from __future__ import annotations

import pytest

from querylake_api.errors import ApiError
from querylake_api.http_server.asgi import Message
from querylake_api.http_server.asgi_exchange import AsgiExchange
from querylake_api.requests.body import read_body


async def read(body: bytes, *, max_values: int) -> bytes:
    """Read a body that comes in two pieces."""
    pieces = [body[:5], body[5:]]

    async def receive() -> Message:
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    exchange = AsgiExchange({"headers": []}, receive, send)
    return await read_body(exchange, limit=10_000_000, seconds=60, max_values=max_values)


@pytest.mark.parametrize("element", [b"1,", b"[],", b"{},", b'"a":1,'])
async def test_json_of_too_many_values_is_refused(element: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        await read(element * 100_000, max_values=50_000)
    assert caught.value.status == 413


async def test_long_texts_are_not_many_values() -> None:
    body = b'{"a": "' + b"x" * 5_000_000 + b'"}'
    assert await read(body, max_values=1000) == body


async def test_small_bodies_are_not_counted() -> None:
    body = b"[]," * 30_000
    assert await read(body, max_values=1000) == body
