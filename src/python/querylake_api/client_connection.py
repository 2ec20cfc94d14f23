"""uvicorn's connection to a client, which tells by itself what ASGI's `receive` must be asked for.

To wait in `receive` for a client that leaves takes a task of its own for every request. Under
servers that are not ours, such as Ray Serve's, there is nothing else, and it works there too.
"""

from __future__ import annotations

from collections.abc import Callable

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
