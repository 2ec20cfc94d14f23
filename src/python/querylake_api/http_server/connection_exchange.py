"""One request and its response on a connection of our own server.

https://asgi.readthedocs.io/en/latest/specs/www.html
"""

# compiled: runs for each request.

from __future__ import annotations

import asyncio
import http
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from llm_provider.provider import Drain
from querylake_api.http_server.asgi import Message
from querylake_api.http_server.exchange import Exchange, Headers

_HIGH_WATER: Final = 64 * 1024
"""Bytes of a body that wait for the application before the client is made to wait, too."""

_FRAMING: Final = frozenset({b"content-length", b"connection"})
_DISCONNECT: Final = {"type": "http.disconnect"}
_WITHOUT_BODY: Final = frozenset({204, 304})
_COLON: Final = b": "

_STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}".encode() for status in http.HTTPStatus
}


class Connection(Protocol):
    """What an exchange asks of the connection that it came over.

    Attributes:
        transport: None once the client is gone.
        blocked: whether the client does not take what was sent.
    """

    transport: asyncio.Transport | None
    blocked: bool

    async def writable(self) -> None:
        """Wait until the client takes what was sent, or is gone."""

    def default_headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers that every response has, such as the date."""

    def soon(self, call: Callable[[], None]) -> None:
        """Have something called in the event loop's next round."""

    def pause_reading(self) -> None:
        """Read no more from the client."""

    def resume_reading(self) -> None:
        """Read from the client again."""

    def answered(self, exchange: ConnectionExchange) -> None:
        """Note that an exchange's response is complete."""

    def close(self) -> None:
        """Close once what was sent has been taken."""


class ConnectionExchange(Exchange):
    """One request and its response.

    The head of an answer goes out with the beginning of its body: sent by itself it costs as much
    again, and wakes a client that can do nothing with it. One that came by `send` without a length,
    which a stream may follow after a long time, goes out by itself in the loop's next round.

    Args:
        keep_alive: whether another request may follow.
        chunks: whether the client understands an answer in chunks.
        expects_continue: whether it holds the body back until it is asked for.

    Attributes:
        lost: whether the client is gone.
        body_complete: whether all of the request is here.
        started: whether something of the answer has gone out.
        answered: whether all of it has.
    """

    __slots__ = (
        "_chunked",
        "_chunks",
        "_connection",
        "_expects_continue",
        "_head",
        "_held",
        "_last",
        "_left",
        "_on_lost",
        "_pieces",
        "_told_end",
        "_waiter",
        "_without_body",
        "answered",
        "body_complete",
        "keep_alive",
        "lost",
        "started",
    )

    def __init__(
        self,
        connection: Connection,
        scope: dict[str, Any],
        *,
        keep_alive: bool,
        chunks: bool,
        expects_continue: bool = False,
        content_encoding: bytes = b"",
    ) -> None:
        super().__init__(scope, content_encoding, None)
        self.keep_alive = keep_alive
        self.lost = False
        self.body_complete = False
        self.started = False
        self.answered = False
        self._connection = connection
        self._chunks = chunks
        self._pieces: list[bytes] = []
        self._held = 0
        self._told_end = False
        self._expects_continue = expects_continue
        self._waiter: asyncio.Future[None] | None = None
        self._on_lost: Callable[[], None] | None = None
        self._head: bytes | None = None
        self._chunked = False
        self._last: bytes | None = None
        self._left: int | None = None
        self._without_body = scope["method"] == "HEAD"

    # The request.

    def feed(self, piece: bytes) -> None:
        """Take a piece of the request's body. What comes after the answer is thrown away."""
        if self.answered:
            return
        self._pieces.append(piece)
        self._held += len(piece)
        if self._held > _HIGH_WATER:
            self._connection.pause_reading()
        self._wake()

    def end_body(self) -> None:
        """Note that the request is complete."""
        self.body_complete = True
        self._wake()

    def body(self) -> bytes:
        """Return what has come of the body since the last time."""
        pieces, self._pieces, self._held = self._pieces, [], 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def arrived_body(self) -> bytes | None:
        """Return the request's body if all of it is here and nothing of it was read."""
        return self.body() if self.body_complete and not self._told_end else None

    async def receive(self) -> Message:
        """Return what came next from the client: ASGI's `receive`."""
        connection = self._connection
        if self._expects_continue:
            self._expects_continue = False
            if not (self.started or self.body_complete) and connection.transport is not None:
                connection.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not (
            self._pieces
            or self.lost
            or self.answered
            or (self.body_complete and not self._told_end)
        ):
            connection.resume_reading()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self.lost or self.answered:
            return _DISCONNECT.copy()
        self._told_end = self.body_complete
        return {"type": "http.request", "body": self.body(), "more_body": not self.body_complete}

    def when_lost(self, call: Callable[[], None] | None) -> None:
        """Have something called when the client goes away; see `Exchange.when_lost`."""
        if call is not None and self.lost:
            call()
        else:
            self._on_lost = call

    def lose(self) -> None:
        """Note that the client is gone."""
        self.lost = True
        self._wake()
        call, self._on_lost = self._on_lost, None
        if call is not None:
            call()

    # The answer.

    async def send(self, message: Message) -> None:
        """Send the next part of the answer, or nothing if the client is gone: ASGI's `send`.

        Raises:
            RuntimeError: it is not what can come next, or cannot be sent over HTTP.
        """
        if self._connection.blocked:
            await self._connection.writable()
        if self.lost:
            return
        kind = message["type"]
        if kind == "http.response.body":
            self.write(message.get("body", b""), more=message.get("more_body", False))
        elif kind == "http.response.start" and not self.started and self._head is None:
            self._prepare(message["status"], message.get("headers", ()))
            if self._left is None:
                self._connection.soon(self._send_head)
        else:
            raise RuntimeError(f"{kind} cannot be sent now")

    async def respond(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole response at once, whether the client takes it or not.

        Raises:
            RuntimeError: something has been sent, or it cannot be sent over HTTP.
        """
        self.status = status
        self.ended = True
        if self.lost:
            return
        if self.started or self._head is not None:
            raise RuntimeError("an answer has begun")
        lines = [*self._connection.default_headers(), *headers, *self.headers]
        lines.append((b"content-length", b"%d" % len(body)))
        if not self.keep_alive:
            lines.append((b"connection", b"close"))
        head = encoded_head(status, lines)
        self._finish(head if self._without_body else head + body)

    def begin(self, status: int, headers: Headers, *, events: bool) -> None:
        """Prepare the head of a response; see `Exchange.begin`.

        Raises:
            RuntimeError: a response has begun, or it cannot be sent over HTTP.
        """
        self._prepare(status, headers)
        self.streaming = events

    def _prepare(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        if self.started or self._head is not None:
            raise RuntimeError("an answer has begun")
        self.status = status
        lines = [*self._connection.default_headers(), *headers, *self.headers]
        length: int | None = None
        closes = False
        for name, value in lines:
            if name in _FRAMING:
                if name == b"content-length":
                    length = int(value)
                elif b"close" in value.lower():
                    closes = True
        without_body = self._without_body = self._without_body or status in _WITHOUT_BODY
        if length is not None:
            self._left = length
        elif not without_body and self._chunks:
            self._chunked = True
            lines.append((b"transfer-encoding", b"chunked"))
        elif not without_body:
            self.keep_alive = False  # its end is the connection's
        if closes:
            self.keep_alive = False
        elif not self.keep_alive:
            lines.append((b"connection", b"close"))
        self._head = encoded_head(status, lines)

    async def send_head(self) -> None:
        """Send the head by itself, if it has not gone."""
        self._send_head()

    def _send_head(self) -> None:
        if self._head is not None and not self.lost:
            self.write(b"", more=True)

    def write(self, piece: bytes, *, more: bool) -> None:
        """Send a piece of the answer's body, whether the client takes it or not.

        Raises:
            RuntimeError: there is no head, the answer has ended, or it is not as long as it says.
        """
        if self.lost or (self.answered and self._without_body):
            return
        if self.answered or not (self.started or self._head is not None):
            raise RuntimeError("a body cannot be sent now")
        head, self._head = self._head or b"", None
        self.started = True
        if self._without_body:
            # Nothing can follow, be what would have followed without end.
            data, more = head, False
        elif self._chunked:
            data = b"%b%x\r\n%b\r\n" % (head, len(piece), piece) if piece else head
            if not more:
                data += b"0\r\n\r\n"
        else:
            if self._left is not None:
                self._left -= len(piece)
                if self._left < 0 or (self._left and not more):
                    raise RuntimeError("the body has not the length that its head says")
            data = head + piece if head else piece
        if not more:
            self._finish(data)
            return
        transport = self._connection.transport
        if data and transport is not None:
            transport.write(data)

    def comment(self, piece: bytes) -> None:
        """Send a piece of the body, unless the client is gone or all was said."""
        if not (self.lost or self.ended):
            self.passed += 1
            self.write(piece, more=True)

    def end(self, last: bytes) -> None:
        """Take the last piece of the body, which goes out with `finish`."""
        self._last = last
        self.streaming = False
        self.ended = True

    async def finish(self) -> None:
        """Send what was kept for the end, if anything; see `Exchange`.

        Raises:
            RuntimeError: as `write`.
        """
        last, self._last = self._last, None
        if last is not None:
            self.write(last, more=False)

    def _finish(self, data: bytes) -> None:
        transport = self._connection.transport
        if data and transport is not None:
            transport.write(data)
        self.started = True
        self.answered = True
        self.ended = True
        self._wake()
        self._connection.answered(self)

    def pass_on(self, piece: bytes) -> Drain | None:
        """Send a piece of the body, and return what is to be waited for, if anything.

        Raises:
            RuntimeError: as `write`.
        """
        self.passed += 1
        self.write(piece, more=True)
        return self._connection.writable() if self._connection.blocked else None

    def break_off(self) -> None:
        """Leave the answer as it is. The client sees that it is not complete."""
        self._connection.close()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


def encoded_head(status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
    """Return the head of an answer.

    Raises:
        RuntimeError: a header would not be one header.
    """
    status_line = _STATUS_LINES.get(status) or b"HTTP/1.1 %d " % status
    head = b"\r\n".join([status_line, *map(_COLON.join, headers), b"\r\n"])
    if head.count(b"\n") != len(headers) + 2 or head.count(b"\r") != len(headers) + 2:
        raise RuntimeError("a header holds the end of a line")
    return head
