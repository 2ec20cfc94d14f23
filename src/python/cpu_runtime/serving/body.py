"""Reading a request's body."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from cpu_runtime.errors import RequestError, invalid
from cpu_runtime.serving.asgi import Receive, Scope
from cpu_runtime.serving.in_flight import ClientLeft
from llm_provider.json_text import reason

MAX_BYTES = 8 * 1024 * 1024
"""Many times what the longest context and the longest list of texts come to."""

SECONDS = 60.0
"""For a body to arrive. Until then it takes no place at an engine."""


async def read_object(scope: Scope, receive: Receive) -> dict[str, Any]:
    """Return the JSON object that a request carries.

    Raises:
        RequestError: it carries too much, something else, or takes too long.
        ClientLeft: it did not come to its end.
    """
    try:
        async with asyncio.timeout(SECONDS):
            content = await _read(scope, receive)
    except TimeoutError:
        raise _too_slow() from None
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise invalid(
            f"The body is not valid JSON: {reason(error)}.", code="invalid_json"
        ) from None
    if not isinstance(body, dict):
        raise invalid("The body must be a JSON object.", code="invalid_json")
    return body


async def _read(scope: Scope, receive: Receive) -> bytes:
    for name, value in scope["headers"]:
        # The number is the client's word, so it only serves to say no before anything is read.
        if name == b"content-length" and value.isdigit() and int(value) > MAX_BYTES:
            raise _too_large()
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BYTES:
            raise _too_large()
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _too_slow() -> RequestError:
    return RequestError(
        f"The body did not arrive within {SECONDS:g} s.",
        status=408,
        code="request_timeout",
        headers={"connection": "close"},
    )


def _too_large() -> RequestError:
    return RequestError(
        f"The body is larger than {MAX_BYTES} bytes.",
        status=413,
        code="request_too_large",
        # What is left of the body is not read, so the connection cannot serve another request.
        headers={"connection": "close"},
    )
