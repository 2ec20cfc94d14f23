"""ASGI's types, and what is read from a scope.

https://asgi.readthedocs.io/en/latest/specs/www.html
"""

# compiled: runs for each request.

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any, Final

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Coroutine[Any, Any, None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
JSON: Final = b"application/json"

JSON_HEADERS: Final = ((b"content-type", JSON),)

EVENT_HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    # nginx and others would hold the events back to fill a buffer.
    (b"x-accel-buffering", b"no"),
)
"""The headers of a stream of events."""


def content_coding(scope: Scope) -> bytes:
    """Return how the body of a request is encoded, lower-case; empty if it is not."""
    values = [value.lower() for name, value in scope["headers"] if name == b"content-encoding"]
    return b", ".join(values)
