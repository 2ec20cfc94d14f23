"""Refuses new requests inside vLLM's API server once this program says so.

vLLM loads the class by its name (`--middleware`) and puts it around its whole application. Requests
that have been taken are not touched, so streams go on to their end. Standard library only: it runs
in the engine's process.
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

MIDDLEWARE = "vllm_runtime.drain_gate.DrainGate"

CLOSED_FILE = "VLLM_RUNTIME_CLOSED_FILE"
"""Environment variable: the gate is closed when the file that it names exists. A file works for any
number of API server processes, whenever they started, and costs a request some microseconds."""

RETRY_AFTER_SECONDS = 1
"""Another replica can be asked at once; this is for whoever has none."""

_HARMLESS = ("GET", "HEAD", "OPTIONS")
"""Methods that start no work in an engine. /health and /metrics must be answered to the end."""

_BODY = json.dumps(
    {
        "error": {
            "message": "This engine is about to stop and takes no further requests. Ask again: "
            "another one may serve the model.",
            "type": "service_unavailable_error",
            "param": None,
            "code": "engine_draining",
        }
    }
).encode()


class DrainGate:
    """ASGI middleware that answers 503 to new work while the gate is closed."""

    def __init__(self, app: Application) -> None:
        """Read where the gate's file is.

        Raises:
            KeyError: the environment does not say.
        """
        self._app = app
        self._file = os.environ[CLOSED_FILE]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "lifespan" or scope.get("method") in _HARMLESS or not self._closed():
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1012})  # RFC 6455: service restart
        else:
            await _refuse(send)

    def _closed(self) -> bool:
        return os.path.exists(self._file)


async def _refuse(send: Send) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(_BODY)).encode()),
        (b"retry-after", str(RETRY_AFTER_SECONDS).encode()),
        # A client that pools connections must not ask here again.
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": _BODY})
