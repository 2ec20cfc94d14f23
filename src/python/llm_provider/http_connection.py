"""One HTTP/1.1 connection to an engine: a request goes out, and its answer comes in piece by piece.

https://www.rfc-editor.org/rfc/rfc9112
"""

# compiled: runs for each request.

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

import httptools

from llm_provider.deadline_timer import DeadlineTimer
from llm_provider.provider import Drain, Sink

_HIGH_WATER: Final = 256 * 1024
"""Bytes of a body that wait for a slow reader before the engine is made to wait, too."""

_MAX_HEAD: Final = 64 * 1024
"""Bytes of an answer's head, with interim answers before it; counted while they arrive."""

_MAX_FRAMING: Final = 64 * 1024
"""Bytes between two pieces of a body in chunks, and of the trailers: the parser keeps those."""

_VERSIONS: Final = ("1.1", "1.0")

_LINE_COST: Final = 32
"""Bytes that a header counts beside its own: the memory of two strings and a place in a table."""


class NotHttp(Exception):
    """What came is no answer; the message is one clause."""


class Lost(Exception):
    """The connection ended before the answer did; the message is one clause."""


class HTTPConnection(asyncio.Protocol):
    """A connection, and the answer that is on its way over it, if any.

    Args:
        lost: called once, when the connection has ended.

    Attributes:
        status: of the answer.
        headers: of the answer, with lower-case names. Of several with one name, the last.
        taken: pieces of the body that were taken or delivered.
        came_at: when anything came last, on the loop's clock.
        idle_since: when its last answer was complete, likewise.
        deadline: calls whoever waits too long for the answer.
    """

    __slots__ = (
        "_chunks",
        "_complete",
        "_error",
        "_framing",
        "_head",
        "_head_size",
        "_held",
        "_loop",
        "_lost",
        "_parser",
        "_paused",
        "_drain",
        "_reusable",
        "_sink",
        "_transport",
        "_until_eof",
        "_waiter",
        "_writable",
        "deadline",
        "came_at",
        "headers",
        "idle_since",
        "status",
        "taken",
    )

    def __init__(self, lost: Callable[[HTTPConnection], None]) -> None:
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._writable: asyncio.Future[None] | None = None
        # Serves one answer after the other: the pool takes back only what ended as it should.
        self._parser = httptools.HttpResponseParser(self)
        self._loop = asyncio.get_running_loop()
        self.deadline = DeadlineTimer(self._loop)
        self.idle_since = 0.0
        self.came_at = 0.0
        self._reset()

    def _reset(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._head: asyncio.Future[None] | None = None
        self._head_size = 0
        self._framing = 0
        self._waiter: asyncio.Future[None] | None = None
        self._chunks: list[bytes] = []
        self._held = 0
        self._paused = False
        self._complete = False
        self._until_eof = False
        self._reusable = False
        self._error: Exception | None = None
        self._sink: Sink | None = None
        self._drain: Drain | None = None
        self.taken = 0

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent over it any more."""
        return self._transport is None or self._transport.is_closing()

    @property
    def finished(self) -> bool:
        """Whether the answer is complete, and another request may follow."""
        return self._complete and self._reusable and self._error is None and not self.closed

    def send(self, request: bytes) -> asyncio.Future[None]:
        """Send a whole request, and return what is done once the answer's head is here.

        The future raises `Lost` or `NotHttp` if there will be none.
        """
        self._reset()
        self._head = self._loop.create_future()
        if self._transport is None:
            self._head.set_exception(Lost("the connection was closed"))
        else:
            self._transport.write(request)
        return self._head

    def sent(self) -> asyncio.Future[None] | None:
        """Return what is done once the engine takes what was sent; None if it has."""
        return self._writable

    def take(self) -> bytes:
        """Return all of the body that has come and was not taken; nothing at its end, or too early.

        Raises:
            Lost: the body is not complete and never will be.
            NotHttp: its framing is wrong.
        """
        if self._chunks:
            chunks, self._chunks, self._held = self._chunks, [], 0
            if self._paused and self._transport is not None:
                self._paused = False
                self._transport.resume_reading()
            self.taken += 1
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)
        if self._error is not None:
            raise self._error
        return b""

    @property
    def exhausted(self) -> bool:
        """Whether the body is complete and all of it was taken."""
        return self._complete and not self._chunks and self._error is None

    def more(self) -> asyncio.Future[None]:
        """Return what is done once `take` has something to give or to raise."""
        self._waiter = self._loop.create_future()
        return self._waiter

    def deliver(self, sink: Sink) -> asyncio.Future[None]:
        """Give what comes of the body to `sink` at once, and return what is done when that ends.

        It ends with the body, whose last piece is left for `take`; with what `take` then raises; or
        when `sink` wants something to be waited for, which `drain` then returns. What `sink`
        raises, the future does.
        """
        self._sink = sink
        return self.more()

    def stop_delivering(self) -> None:
        """Keep what comes for `take` again, and wait for nothing."""
        self._sink = None
        if self._drain is not None:
            self._drain.close()
            self._drain = None

    def drain(self) -> Drain | None:
        """Return what the sink wants to be waited for, if anything."""
        drain, self._drain = self._drain, None
        return drain

    def abort(self) -> None:
        """Close the connection at once, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        # uvloop's is one in all but its class.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self._transport = None
        self.deadline.stop()
        if self._until_eof and exc is None:
            self._complete = True
        elif not self._complete:
            self._fail(Lost(_reason(exc)))
        self._tell()
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._lost(self)

    def data_received(self, data: bytes) -> None:
        """Read on. After a complete answer nothing may come."""
        self.came_at = self._loop.time()
        try:
            if self._head is None or self._complete:
                raise NotHttp("more came than was asked for")
            if not (self.status or self._framing) and data.lstrip(b"\r\n")[:1] not in (b"H", b""):
                # The parser knows other protocols, too.
                raise NotHttp("it does not begin with HTTP/")
            self._framing += len(data)
            self._parser.feed_data(data)
            self._check_framing()
        except httptools.HttpParserUpgrade:
            self._break(NotHttp("it wants to change the protocol"))
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._break(
                cause if isinstance(cause, NotHttp) else NotHttp(str(error) or "it is malformed")
            )
        except NotHttp as error:
            self._break(error)
        self._tell()

    def _check_framing(self) -> None:
        """See that what brought nothing of a body has an end.

        Raises:
            NotHttp: it has gone on for too long.
        """
        if self._complete:
            return
        if not self.status:
            if self._framing > _MAX_HEAD:
                raise NotHttp(f"its head is larger than {_MAX_HEAD} bytes")
        elif self._framing > _MAX_FRAMING:
            raise NotHttp(f"{_MAX_FRAMING} bytes of it hold nothing of the body")

    def pause_writing(self) -> None:
        """Note that the engine does not take what was sent."""
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        """Note that it has."""
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Begin an answer, or the one after an interim answer."""
        if self._complete:
            raise NotHttp("more came than was asked for")
        self.headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. Trailers are dropped: none may say what only a header can."""
        if self.status:
            return
        self._head_size += len(name) + len(value) + _LINE_COST
        if self._head_size > _MAX_HEAD:
            raise NotHttp(f"its head is larger than {_MAX_HEAD} bytes")
        key = name.decode("latin-1").lower()
        if key == "transfer-encoding" and (key in self.headers or value.lower() != b"chunked"):
            # Other codings would reach the client unseen; lines of several, nobody reads alike.
            raise NotHttp("its Transfer-Encoding is not `chunked`, alone")
        self.headers[key] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Give out the head, unless it is an interim one."""
        status: int = self._parser.get_status_code()
        if self._parser.get_http_version() not in _VERSIONS:
            raise NotHttp("its version is neither HTTP/1.1 nor HTTP/1.0")
        if not 100 <= status < 600:
            raise NotHttp(f"there is no status {status}")
        if status < 200:
            return
        self.status = status
        self._framing = 0
        headers = self.headers
        self._until_eof = not (
            "content-length" in headers or "transfer-encoding" in headers or status in (204, 304)
        )
        _done(self._head)

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._framing = 0
        self._chunks.append(body)
        self._held += len(body)
        if self._held > _HIGH_WATER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """End the answer, unless it is an interim one."""
        if self.status:
            self._reusable = self._parser.should_keep_alive() and not self._until_eof
            self._complete = True

    def _tell(self) -> None:
        """Hand on what has come."""
        sink = self._sink
        if sink is not None and self._chunks and not self._complete:
            try:
                self._drain = sink(self.take())
            except Exception as error:  # noqa: BLE001 - it is for whoever waits
                self._sink = None
                if self._waiter is not None and not self._waiter.done():
                    self._waiter.set_exception(error)
            else:
                if self._drain is not None:
                    self._sink = None
        if self._chunks or self._complete or self._error is not None or self._drain is not None:
            _done(self._waiter)

    def _break(self, error: Exception) -> None:
        self._fail(error)
        self.abort()

    def _fail(self, error: Exception) -> None:
        if self._error is None:
            self._error = error
        if self._head is not None and not self._head.done():
            self._head.set_exception(error)


def _done(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)


def _reason(exc: Exception | None) -> str:
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror
    return "the connection was closed"
