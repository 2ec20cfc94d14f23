"""ASGI's types, and the one message that this package sends by hand: a whole response.

https://asgi.readthedocs.io/en/latest/specs/www.html
"""

# compiled: runs for each request.

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

from querylake_api.http_server.exchange import Exchange

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Coroutine[Any, Any, None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
JSON = b"application/json"
EVENT_STREAM = b"text/event-stream; charset=utf-8"


async def send_document(
    send: Send,
    status: int,
    body: bytes,
    *,
    request_id: str,
    content_type: bytes = JSON,
    headers: tuple[tuple[bytes, bytes], ...] = (),
    exchange: Exchange | None = None,
) -> None:
    """Send a whole answer.

    Args:
        exchange: takes it in one; None under a server that is not ours.
    """
    lines = [(b"content-type", content_type), (b"x-request-id", request_id.encode()), *headers]
    if exchange is not None:
        exchange.answer(status, lines, body)
        return
    lines.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body, "more_body": False})
