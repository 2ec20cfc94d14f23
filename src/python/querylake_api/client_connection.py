"""uvicorn's connection to a client, which tells by itself what ASGI's `receive` must be asked for.

To wait in `receive` for a client that leaves takes a task of its own for every request. Under
servers that are not ours, such as Ray Serve's, there is nothing else, and it works there too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

CONNECTION = "querylake.connection"
"""Where a request's connection is found in its scope, under a server of ours."""

BODY_COMPLETE = "querylake.body_complete"
"""Is in the scope when all of the body is here, so that `receive` gives it without waiting."""


class ClientConnection(HttpToolsProtocol):
    """One connection. Requests that come over it are served one after the other.

    Attributes:
        lost: whether it is gone.
    """

    lost = False
    _on_lost: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection."""
        whole = WholeAnswers(transport, asyncio.get_running_loop())
        super().connection_made(cast("asyncio.Transport", whole))

    def when_lost(self, call: Callable[[], None] | None) -> None:
        """Have something called when the client goes away, instead of what was to be called."""
        self._on_lost = call

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell uvicorn, and whoever wanted to know."""
        super().connection_lost(exc)
        self.lost = True
        call, self._on_lost = self._on_lost, None
        if call is not None:
            call()

    def on_headers_complete(self) -> None:
        """Begin a request. Its task sees the scope in the loop's next round."""
        super().on_headers_complete()
        self.scope[CONNECTION] = self  # type: ignore[literal-required]

    def on_message_complete(self) -> None:
        """Note that the body is here."""
        super().on_message_complete()
        self.scope[BODY_COMPLETE] = True  # type: ignore[literal-required]


_HEAD = b"HTTP/1.1 "


class WholeAnswers:
    """A transport that sends the head of an answer with the beginning of its body.

    uvicorn writes them one after the other: twice the work in the kernel for a short answer, and
    clients that wake up for a head that they can do nothing with. A head that nothing follows at
    once goes out by itself in the loop's next round.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head: bytes | None = None

    def write(self, data: bytes) -> None:
        """Send, after what was held back."""
        head, self._head = self._head, None
        if head is not None:
            self._transport.writelines((head, data))
        elif data.startswith(_HEAD):
            self._head = data
            self._loop.call_soon(self._send_head)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Send what was held back, and close."""
        self._send_head()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        """Return everything else as the transport has it."""
        return getattr(self._transport, name)

    def _send_head(self) -> None:
        head, self._head = self._head, None
        if head is not None:
            self._transport.write(head)
