"""One HTTP/1.1 connection of a client: requests come in over it and are answered in their order.

uvicorn listens, keeps the connections and drains them; this is its `http` protocol. Its own one
costs as much for a short answer as all that is done about usage and limits.

https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast
from urllib.parse import unquote

import httptools
import orjson
from uvicorn.config import Config
from uvicorn.server import ServerState

from llm_provider.alarm import Alarm
from querylake_api.errors import ApiError, head_too_large, not_http
from querylake_api.http_server.exchange import EXCHANGE, Exchange, encoded_head

MAX_HEAD = 64 * 1024
"""Bytes of a request's URL and headers."""

_OFFER = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_JSON = (b"content-type", b"application/json")
_CLOSE = (b"connection", b"close")

_log = logging.getLogger(__name__)


class _HeadTooLarge(Exception):
    """The head of a request is larger than `MAX_HEAD`."""


class ClientConnection(asyncio.Protocol):
    """One connection.

    A request that comes before the last one was answered waits, and nothing more is read meanwhile.

    Args:
        config: the server's.
        server_state: where the server finds its connections, and what they are doing.
        app_state: is uvicorn's, and not used.

    Attributes:
        blocked: whether the client does not take what was sent.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any] | None = None,
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._app = config.loaded_app
        self._keep_alive = config.timeout_keep_alive
        self._server = server_state
        self._loop = _loop or asyncio.get_running_loop()
        self._alarm = Alarm(self._loop)
        self._parser = httptools.HttpRequestParser(self)
        self._exchanges: deque[Exchange] = deque()
        self._incoming: Exchange | None = None
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_size = 0
        self._reading = True
        self._writable: asyncio.Future[None] | None = None
        self.blocked = False
        self.transport: asyncio.Transport | None = None
        self._standing: dict[str, Any] = {}

    # What the server calls.

    def shutdown(self) -> None:
        """Close, as soon as what has begun is answered."""
        for exchange in self._exchanges:
            exchange.keep_alive = False
        if not self._exchanges and self.transport is not None:
            self.transport.close()

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
        """Take more from the client, unless it is ahead of its answers."""
        if not self._reading and self.transport is not None and len(self._exchanges) <= 1:
            self._reading = True
            self.transport.resume_reading()

    def answered(self, exchange: Exchange) -> None:
        """Go on with the next request."""
        self._server.total_requests += 1
        exchanges = self._exchanges
        exchanges.popleft()
        transport = self.transport
        if transport is None:
            return
        if not exchange.keep_alive:
            transport.close()
            return
        if not self._reading:
            self.resume_reading()
        if exchanges:
            self._begin(exchanges[0])
        else:
            self._alarm.set(self, self._loop.time() + self._keep_alive)

    def ring(self) -> None:
        """Close: nothing has come for too long."""
        if self.transport is not None and not self._exchanges:
            self.transport.close()

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first request."""
        # uvloop's is one in all but its class.
        self.transport = cast("asyncio.Transport", transport)
        self._server.connections.add(cast("Any", self))
        self._standing = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "scheme": "https" if transport.get_extra_info("sslcontext") else "http",
            "server": _address(transport.get_extra_info("sockname")),
            "client": _address(transport.get_extra_info("peername")),
            "root_path": "",
        }
        self._alarm.set(self, self._loop.time() + self._keep_alive)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever is at work for the client."""
        self.transport = None
        self._server.connections.discard(cast("Any", self))
        self._alarm.stop()
        self.resume_writing()
        for exchange in self._exchanges:
            exchange.lose()

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if self._incoming is None and b"pgrade" in data:
            data = _without_offer(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(not_http("it asks for another protocol"))
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, _HeadTooLarge):
                self._refuse(head_too_large(MAX_HEAD))
            else:
                self._refuse(not_http(_reason(error)))

    def pause_writing(self) -> None:
        """Note that the client does not take what was sent."""
        if self._writable is None:
            self._writable = self._loop.create_future()
            self.blocked = True

    def resume_writing(self) -> None:
        """Note that it has."""
        writable, self._writable = self._writable, None
        self.blocked = False
        if writable is not None and not writable.done():
            writable.set_result(None)

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._url = b""
        self._headers = []
        self._head_size = 0

    def on_url(self, url: bytes) -> None:
        """Take a piece of the URL."""
        self._url += url
        self._head_size += len(url)
        if self._head_size > MAX_HEAD:
            raise _HeadTooLarge

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._headers.append((name.lower(), value))
        self._head_size += len(name) + len(value)
        if self._head_size > MAX_HEAD:
            raise _HeadTooLarge

    def on_headers_complete(self) -> None:
        """Begin to answer, or put the request behind those that came before it."""
        parser = self._parser
        version = parser.get_http_version()
        path, raw_path, query = _target(self._url)
        scope = self._standing.copy()
        scope["http_version"] = version
        scope["method"] = parser.get_method().decode("ascii")
        scope["path"] = path
        scope["raw_path"] = raw_path
        scope["query_string"] = query
        scope["headers"] = self._headers
        persistent = version == "1.1"
        exchange = Exchange(
            self, scope, keep_alive=persistent and parser.should_keep_alive(), chunks=persistent
        )
        scope[EXCHANGE] = exchange
        self._incoming = exchange
        self._exchanges.append(exchange)
        if len(self._exchanges) == 1:
            self._alarm.clear()
            self._begin(exchange)
        else:
            self.pause_reading()

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        if self._incoming is not None:
            self._incoming.feed(body)

    def on_message_complete(self) -> None:
        """End a request."""
        exchange, self._incoming = self._incoming, None
        if exchange is not None:
            exchange.end_body()

    def _begin(self, exchange: Exchange) -> None:
        # Only the server's `cut` cancels tasks that have not begun, and it does not wait for them.
        # Not by the loop, which would first make up a name that nobody reads.
        task = exchange.task = asyncio.Task(self._serve(exchange), loop=self._loop, name="request")
        self._server.tasks.add(task)

    async def _serve(self, exchange: Exchange) -> None:
        try:
            await self._app(exchange.scope, exchange.receive, cast("Any", exchange.send))
        except Exception:  # noqa: BLE001 - whatever gets through, the client must see an end
            _log.exception("the application failed")
        finally:
            self._server.tasks.discard(cast("Any", exchange.task))
            # Each would keep the other until the garbage collector came by.
            exchange.scope.pop(EXCHANGE, None)
            exchange.send_end()
            if not exchange.answered:
                exchange.break_off()

    def _refuse(self, error: ApiError) -> None:
        """Say what is wrong, if nothing else is being said, and close."""
        transport = self.transport
        if transport is None:
            return
        _log.info("a client was cut off: %s", error.message)
        if not any(exchange.started for exchange in self._exchanges):
            body = orjson.dumps(error.document())
            length = (b"content-length", b"%d" % len(body))
            headers = [*self.default_headers(), _JSON, length, _CLOSE]
            transport.write(encoded_head(error.status, headers) + body)
        transport.close()


def _reason(error: httptools.HttpParserError) -> str:
    """Return a clause that says what is wrong with a request."""
    if isinstance(error.__context__, httptools.HttpParserInvalidURLError):
        return "its target is no path"
    reason = str(error)
    return "it is HTTP/2, which is not spoken here" if "PRI" in reason else reason or "it is broken"


def _without_offer(data: bytes) -> bytes:
    """Return the beginning of a request without the offer to speak another protocol.

    Java's HTTP client makes it with each first request. It may be passed over (RFC 9110, section
    7.8), but the parser would take the body for the beginning of what was offered.
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    return _OFFER.sub(b"\r\nx-upgrade-not-taken:", head) + end + rest


@lru_cache(maxsize=256)
def _target(url: bytes) -> tuple[str, bytes, bytes]:
    """Return a URL's path, decoded and as it came, and its query.

    Raises:
        httptools.HttpParserInvalidURLError: it is none.
    """
    parsed: Any = httptools.parse_url(url)
    raw_path: bytes = parsed.path or b"/"
    return unquote(raw_path.decode("ascii")), raw_path, parsed.query or b""


def _address(address: Any) -> tuple[str, int] | None:
    return (str(address[0]), int(address[1])) if isinstance(address, tuple) else None
