"""ASGI's types, and the few messages that this package sends by hand.

https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

from querylake_api.dialects import error_body, error_event
from querylake_api.errors import ApiError
from querylake_api.exchange import Exchange
from querylake_api.observability.request_record import (
    Outcome,
    RequestRecord,
    outcome_of_status,
)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Coroutine[Any, Any, None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Route = Callable[[Scope, Receive, Send, RequestRecord], Awaitable[None]]
"""Serves requests ahead of FastAPI."""

RECORD = "querylake.record"
"""Where a request's record is found in its scope."""

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


async def tell(send: Send, error: ApiError, record: RequestRecord) -> None:
    """Tell the client of an error, in whatever way it can still be told, and note it.

    Before the first byte it is an answer of its own, in a stream it is the last event, and in a
    document that has begun it can only be a broken connection.
    """
    if record.outcome is not None:
        return
    if record.streaming:
        record.settle(200, outcome_of(error), error.code)
        event = error_event(error, record.dialect)
        last = {"type": "http.response.body", "body": event, "more_body": False}
        await send(last)
        return
    record.settle(error.status, outcome_of(error), error.code)
    await send_document(
        send,
        error.status,
        error_body(error, record.dialect),
        request_id=record.request_id,
        headers=(
            *record.headers,
            *((name.encode(), value.encode()) for name, value in error.headers.items()),
        ),
    )


def outcome_of(error: ApiError) -> Outcome:
    """Return what an error says about the request that ended with it."""
    if error.type == "upstream_error":
        return "upstream_error"
    if error.code == "shutting_down":
        return "shutdown"
    return outcome_of_status(error.status)
