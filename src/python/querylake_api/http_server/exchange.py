"""One request and its response, as whoever handles it sees them, whichever server they came by.

Two implementations: `connection_exchange.ConnectionExchange` over a connection of our own server,
and `asgi_exchange.AsgiExchange` over any other one's ASGI.
"""

# compiled: runs for each request.

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

from llm_provider.provider import Drain
from querylake_api.http_server.asgi import Message

EXCHANGE: Final = "querylake.exchange"
"""Where a request's exchange is found in its scope."""

Headers = tuple[tuple[bytes, bytes], ...]


class Exchange(ABC):
    """One request and its response.

    The response is either whole (`respond`), or begun, passed on piece by piece and ended (`begin`,
    `pass_on`, `end`). The last piece of the second kind is kept until `finish`, which is called
    once everything else about the request is done: whoever has the end of a stream finds the
    request in the records, and the client's next request does not wait for this one's bookkeeping.

    Attributes:
        scope: the request's, as ASGI has it.
        content_encoding: of the request's body, lower-case; empty if it is not encoded.
        task: handles the request.
        headers: what every response tells, whatever it is. `finish` is too late for more.
        status: of the response that has begun; 0 before.
        streaming: whether a stream of events has begun and its end was not said.
        ended: whether all of the response was said, if perhaps not sent yet.
        passed: pieces that were passed on or commented so far.
    """

    __slots__ = (
        "content_encoding",
        "ended",
        "headers",
        "passed",
        "scope",
        "status",
        "streaming",
        "task",
    )

    def __init__(
        self, scope: dict[str, Any], content_encoding: bytes, task: asyncio.Task[Any] | None
    ) -> None:
        self.scope = scope
        self.content_encoding = content_encoding
        self.task = task
        self.headers: Headers = ()
        self.status = 0
        self.streaming = False
        self.ended = False
        self.passed = 0

    # The request.

    @abstractmethod
    def arrived_body(self) -> bytes | None:
        """Return the request's body if all of it is here and nothing of it was read."""

    @abstractmethod
    async def receive(self) -> Message:
        """Return what came next from the client: ASGI's `receive`."""

    @abstractmethod
    def when_lost(self, call: Callable[[], None] | None) -> None:
        """Have something called once when the client goes away, instead of what was to be called.

        Called at once if it has gone. To be used once the body was read: until then, a server
        other than ours tells of a lost client only to whoever receives.
        """

    # The response.

    @abstractmethod
    async def send(self, message: Message) -> None:
        """Send the next part of the response: ASGI's `send`."""

    @abstractmethod
    async def respond(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole response.

        Args:
            headers: without `content-length` and `connection`.
        """

    @abstractmethod
    def begin(self, status: int, headers: Headers, *, events: bool) -> None:
        """Prepare the head of a response, which goes out with the first piece of its body.

        Args:
            events: whether a stream of events follows, in which an error can still be told.
        """

    @abstractmethod
    async def send_head(self) -> None:
        """Send the head by itself, if it has not gone."""

    @abstractmethod
    def pass_on(self, piece: bytes) -> Drain | None:
        """Send a piece of the body, and return what is to be waited for before the next one."""

    @abstractmethod
    def comment(self, piece: bytes) -> None:
        """Send a piece of the body, unless the client does not read what was sent before."""

    @abstractmethod
    def end(self, last: bytes) -> None:
        """Take the last piece of the body, which goes out with `finish`."""

    @abstractmethod
    async def finish(self) -> None:
        """Send what was kept for the end, if anything."""
