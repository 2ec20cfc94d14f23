"""One HTTP/1.1 connection of a client: requests come in over it and are answered in their order.

uvicorn listens, keeps the connections and drains them; this is its `http` protocol. Its own one
costs as much for a short answer as all that is done about usage and limits.

One request is in progress at a time. What comes after it waits unread, so that a complete request
gets its own response whatever follows, and a client that pipelines cannot make work pile up.

https://www.rfc-editor.org/rfc/rfc9112
"""

# compiled: runs for each request.

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Any, Final, cast

import orjson
from uvicorn.config import Config
from uvicorn.server import ServerState

from llm_provider.deadline_timer import DeadlineTimer
from querylake_api.errors import (
    ApiError,
    head_too_large,
    head_too_slow,
    not_http,
    too_many_connections,
)
from querylake_api.http_server.chunked_body import BadChunk, ChunkedBody
from querylake_api.http_server.connection_exchange import ConnectionExchange, encoded_head
from querylake_api.http_server.connections import ConnectionLimits, Connections
from querylake_api.http_server.exchange import EXCHANGE
from querylake_api.http_server.request_head import (
    BadHead,
    HeadReader,
    RequestHead,
    begins_request,
)

DISCARD_SECONDS: Final = 30.0
"""For the rest of a body whose request was answered before it had come."""

LINGER_SECONDS: Final = 2.0
"""Between our end of a connection and its close, while the client sends what nobody reads: a close
with unread bytes resets the connection, and the client might lose the response."""

_MAX_WAITING: Final = 64 * 1024
"""Bytes after the request in progress before the client is made to wait."""

_END: Final = b"\r\n\r\n"
_EMPTY_LINE: Final = b"\r\n"
_BARE_LF: Final = re.compile(rb"(?<!\r)\n")
_JSON: Final = (b"content-type", b"application/json")
_CLOSE: Final = (b"connection", b"close")

# What a connection waits for, which is what `on_timeout` ends.
_NOTHING, _REQUEST, _HEAD, _REST, _CLIENT, _LINGER = range(6)

_log = logging.getLogger(__name__)


class ClientConnection(asyncio.Protocol):
    """One connection.

    Args:
        config: the server's.
        server_state: where the server finds its connections, and what they are doing.
        app_state: is uvicorn's, and not used.
        shared: limits, and the other connections of the server.

    Attributes:
        blocked: whether the client does not take what was sent.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any] | None = None,
        _loop: asyncio.AbstractEventLoop | None = None,
        shared: Connections | None = None,
    ) -> None:
        self._app = config.loaded_app
        self._keep_alive = config.timeout_keep_alive
        self._server = server_state
        self._shared = shared or Connections(ConnectionLimits())
        self._limits = self._shared.limits
        self._loop = _loop or asyncio.get_running_loop()
        self._deadline = DeadlineTimer(self._loop)
        self._waits_for = _NOTHING
        self._heads = HeadReader()
        # In progress, until it is answered; and whose body is still to come, answered or not.
        self._exchange: ConnectionExchange | None = None
        self._incoming: ConnectionExchange | None = None
        self._left = 0
        self._chunks: ChunkedBody | None = None
        # What has come and belongs to no request yet, and how much of it holds no head's end.
        self._pending = bytearray()
        self._searched = 0
        self._reading = True
        self._closing = False
        self._unsent = 0
        self._writable: asyncio.Future[None] | None = None
        self.blocked = False
        self.transport: asyncio.Transport | None = None
        self._standing: dict[str, Any] = {}

    # What the server calls.

    def shutdown(self) -> None:
        """Close, as soon as what has begun is answered."""
        if self._exchange is not None:
            self._exchange.keep_alive = False
        else:
            self.close()

    # What an exchange calls.

    async def writable(self) -> None:
        """Wait until the client takes what was sent, or is gone."""
        while self._writable is not None:
            await asyncio.shield(self._writable)

    def default_headers(self) -> list[tuple[bytes, bytes]]:
        """Return what every answer says, such as the date."""
        return self._server.default_headers

    def soon(self, call: Callable[[], None]) -> None:
        """Have something called in the loop's next round."""
        self._loop.call_soon(call)

    def pause_reading(self) -> None:
        """Make the client wait with what it sends."""
        if self._reading and self.transport is not None:
            self._reading = False
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Take more from the client, unless too much of it waits already."""
        if not self._reading and self.transport is not None and not self._closing:
            if len(self._pending) > _MAX_WAITING:
                return
            self._reading = True
            self.transport.resume_reading()

    def answered(self, exchange: ConnectionExchange) -> None:
        """Go on with the next request."""
        self._server.total_requests += 1
        self._exchange = None
        if self.transport is None or self._closing:
            return
        if not exchange.keep_alive:
            self._end()
        elif self._incoming is not None:
            self._wait(_REST, DISCARD_SECONDS)
            self.resume_reading()
        else:
            self._go_on()

    def close(self) -> None:
        """Close once what was sent has been taken; at once if the client takes nothing."""
        if self._closing or self.transport is None:
            return
        self._closing = True
        self._shared.idle.pop(self, None)
        self._flush()

    # What the deadline timer calls.

    def on_timeout(self) -> None:
        """End what has lasted too long."""
        transport = self.transport
        if transport is None:
            return
        limits = self._limits
        if self._waits_for == _HEAD:
            self._refuse(head_too_slow(limits.head_seconds))
        elif self._waits_for == _LINGER:
            self._flush()
        elif self._waits_for != _CLIENT:
            self.close()
        elif (unsent := transport.get_write_buffer_size()) < self._unsent:
            self._unsent = unsent
            self._wait(_CLIENT, limits.send_seconds)
        else:
            _log.info("a client was cut off: it took nothing for %g s", limits.send_seconds)
            transport.abort()

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first request."""
        # uvloop's is one in all but its class.
        self.transport = cast("asyncio.Transport", transport)
        self._server.connections.add(cast("Any", self))
        if not self._shared.admit(len(self._server.connections)):
            self._refuse(too_many_connections())
            return
        self._standing = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "scheme": "https" if transport.get_extra_info("sslcontext") else "http",
            "server": _address(transport.get_extra_info("sockname")),
            "client": _address(transport.get_extra_info("peername")),
            "root_path": "",
        }
        self._shared.idle[self] = None
        self._wait(_REQUEST, self._keep_alive)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever is at work for the client."""
        self.transport = None
        self._closing = True
        self._server.connections.discard(cast("Any", self))
        self._shared.idle.pop(self, None)
        self._deadline.stop()
        self._pending.clear()
        self.resume_writing()
        exchange, self._exchange = self._exchange, None
        self._incoming = None
        if exchange is not None:
            exchange.lose()

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if self._closing:
            return
        if self._incoming is not None:
            data = self._feed_body(data)
            if not data:
                self._after_body()
                return
        if self._exchange is not None or self.blocked:
            self._pending += data
            if len(self._pending) > _MAX_WAITING:
                self.pause_reading()
            return
        if not self._pending:
            # The usual case: a head comes in one piece, with nothing before it.
            end = data.find(_END)
            if 0 < end <= self._limits.head_bytes and begins_request(data):
                self._begin(data[:end], data[end + 4 :])
                return
        self._pending += data
        self._advance()

    def pause_writing(self) -> None:
        """Note that the client does not take what was sent, and give it some time."""
        if self._writable is None:
            self._writable = self._loop.create_future()
            self.blocked = True
            if self.transport is not None and not self._closing:
                self._unsent = self.transport.get_write_buffer_size()
                self._wait(_CLIENT, self._limits.send_seconds)

    def resume_writing(self) -> None:
        """Note that it has."""
        writable, self._writable = self._writable, None
        self.blocked = False
        if writable is not None and not writable.done():
            writable.set_result(None)
        if self.transport is None or self._closing:
            return
        if self._exchange is not None:
            self._deadline.clear()
        elif self._incoming is not None:
            self._wait(_REST, DISCARD_SECONDS)
        else:
            self._go_on()

    # Requests.

    def _go_on(self) -> None:
        """Begin the next request if it is here, or wait for it."""
        if self.blocked:
            # Its response would only be added to those that the client does not take.
            return
        self._shared.idle[self] = None
        self._waits_for = _NOTHING
        if self._pending:
            self._searched = 0
            self._advance()
        if self._exchange is None and not self._closing and not self._pending:
            self._wait(_REQUEST, self._keep_alive)
        if not self._reading:
            self.resume_reading()

    def _advance(self) -> None:
        """Begin the request whose head has come, or see that it comes."""
        pending = self._pending
        while pending.startswith(_EMPTY_LINE):
            # Some clients send one after a body (RFC 9112, section 2.2).
            del pending[:2]
        if not pending or pending == b"\r":
            return
        if not begins_request(bytes(pending[:1])):
            self._refuse(not_http("Invalid method encountered"))
            return
        most = self._limits.head_bytes
        searched = self._searched
        end = pending.find(_END, max(0, searched - 3), most + 4)
        if end < 0:
            if len(pending) >= most + 4:
                self._refuse(head_too_large(most))
            elif _BARE_LF.search(pending, searched):
                self._refuse(not_http("a line of its head does not end with CR LF"))
            else:
                self._searched = len(pending)
                if self._waits_for != _HEAD:
                    self._wait(_HEAD, self._limits.head_seconds)
            return
        head = bytes(pending[:end])
        del pending[: end + 4]
        self._searched = 0
        self._begin(head, b"")

    def _begin(self, raw: bytes, rest: bytes) -> None:
        """Begin a request.

        Args:
            raw: its head, without the empty line.
            rest: what came with it, beside what is pending.
        """
        try:
            head = self._heads.read(raw)
        except BadHead as error:
            self._refuse(not_http(error.reason, error.status))
            return
        exchange = self._exchange = ConnectionExchange(
            self,
            self._scope(head),
            keep_alive=head.keep_alive,
            chunks=head.version == "1.1",
            expects_continue=head.expects_continue,
            content_encoding=head.content_encoding,
        )
        self._shared.idle.pop(self, None)
        self._deadline.clear()
        self._waits_for = _NOTHING
        # Only the server's `cut` cancels tasks that have not begun, and it does not wait for them.
        # Not by the loop, which would first make up a name that nobody reads.
        task = exchange.task = asyncio.Task(self._serve(exchange), loop=self._loop, name="request")
        self._server.tasks.add(task)
        if head.length or head.chunked:
            self._incoming = exchange
            self._left = head.length
            self._chunks = ChunkedBody() if head.chunked else None
            if self._pending:
                rest = bytes(self._pending)
                self._pending.clear()
            if rest:
                rest = self._feed_body(rest)
        else:
            exchange.end_body()
        if rest:
            self._pending += rest
            if len(self._pending) > _MAX_WAITING:
                self.pause_reading()

    def _after_body(self) -> None:
        """Go on if the request whose body has come was answered before."""
        if self._exchange is None and self._incoming is None and not self._closing:
            self._go_on()

    def _scope(self, head: RequestHead) -> dict[str, Any]:
        scope = self._standing.copy()
        scope["http_version"] = head.version
        scope["method"] = head.method
        scope["path"] = head.path
        scope["raw_path"] = head.raw_path
        scope["query_string"] = head.query
        scope["headers"] = head.headers
        return scope

    def _feed_body(self, data: bytes) -> bytes:
        """Take what has come of a body, and return what follows it."""
        exchange = self._incoming
        assert exchange is not None
        if self._chunks is not None:
            try:
                piece, rest = self._chunks.feed(data)
            except BadChunk as error:
                self._refuse(not_http(str(error)))
                return b""
            complete = self._chunks.complete
        else:
            left = self._left
            size = len(data)
            piece, rest = (data, b"") if size <= left else (data[:left], data[left:])
            self._left = left - len(piece)
            complete = not self._left
        if piece:
            exchange.feed(piece)
        if complete:
            self._incoming = None
            self._chunks = None
            exchange.end_body()
        return rest

    async def _serve(self, exchange: ConnectionExchange) -> None:
        scope = exchange.scope
        scope[EXCHANGE] = exchange
        try:
            await self._app(scope, exchange.receive, cast("Any", exchange.send))
        except Exception:  # noqa: BLE001 - whatever gets through, the client must see an end
            _log.exception("the application failed")
        finally:
            self._server.tasks.discard(cast("Any", exchange.task))
            # Each would keep the other until the garbage collector came by.
            scope.pop(EXCHANGE, None)
            if not exchange.answered:
                exchange.break_off()

    # The end.

    def _refuse(self, error: ApiError) -> None:
        """Say what is wrong, if nothing else is being said, and close."""
        transport = self.transport
        if transport is None or self._closing:
            return
        _log.info("a client was cut off: %s", error.message)
        exchange = self._exchange
        if exchange is None and self._incoming is not None:
            pass  # its response has gone, and no client expects another one
        elif exchange is None or not exchange.started:
            body = orjson.dumps(error.document())
            length = (b"content-length", b"%d" % len(body))
            more = [(name.encode(), value.encode()) for name, value in error.headers.items()]
            headers = [*self.default_headers(), _JSON, length, *more, _CLOSE]
            transport.write(encoded_head(error.status, headers) + body)
        self._linger()
        if exchange is not None:
            exchange.lose()

    def _end(self) -> None:
        """Close after a response that is the last one."""
        if self._incoming is not None or self._pending:
            self._linger()
        else:
            self.close()

    def _linger(self) -> None:
        """End our side, and close when the client has ended its own or some time has passed."""
        transport = self.transport
        if transport is None:
            return
        self._closing = True
        self._shared.idle.pop(self, None)
        self._pending.clear()
        if not transport.can_write_eof():
            self._flush()
            return
        transport.write_eof()
        if not self._reading:
            self._reading = True
            transport.resume_reading()
        self._wait(_LINGER, LINGER_SECONDS)

    def _flush(self) -> None:
        """Close when the client has taken what was sent, as long as it takes something."""
        transport = self.transport
        if transport is not None:
            self._unsent = transport.get_write_buffer_size()
            self._wait(_CLIENT, self._limits.send_seconds)
            transport.close()

    def _wait(self, what: int, seconds: float) -> None:
        self._waits_for = what
        self._deadline.set(self, self._loop.time() + seconds)


def _address(address: Any) -> tuple[str, int] | None:
    return (str(address[0]), int(address[1])) if isinstance(address, tuple) else None
