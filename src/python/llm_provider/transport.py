"""Moving one request and its answer over HTTP, with four deadlines and one error tree.

Connections are our own, over httptools: on this path a general client costs several times as much
as all that QueryLake does. Redirects are not followed, proxies from the environment are not used,
and nothing is decompressed.
"""

# compiled: runs for each request.

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from llm_provider.config import UpstreamConfig
from llm_provider.errors import (
    ProviderError,
    StreamInterrupted,
    TimeoutPhase,
    UpstreamDisconnected,
    UpstreamFailed,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from llm_provider.http_connection import HTTPConnection, Lost, NotHttp
from llm_provider.http_pool import Address, HTTPPool
from llm_provider.provider import Drain, Relay, Sink

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_PATH_CHARACTERS: Final = "/%:@!$&'()*+,;=~-._"


class _Clock:
    """The deadlines of one call."""

    __slots__ = ("_config", "_connection", "_future", "_loop", "_phase", "_total_at")

    def __init__(self, config: UpstreamConfig, loop: asyncio.AbstractEventLoop) -> None:
        self._config = config
        self._loop = loop
        total = config.timeouts.total
        self._total_at = None if total is None else loop.time() + total
        self._future: asyncio.Future[None] | None = None
        self._connection: HTTPConnection | None = None
        self._phase: TimeoutPhase = "connect"

    @property
    def max_response_bytes(self) -> int:
        """How much of a body is read as a whole."""
        return self._config.max_response_bytes

    async def wait(
        self, connection: HTTPConnection, future: asyncio.Future[None], phase: TimeoutPhase
    ) -> None:
        """Wait for a future, as long as a phase may take and the whole call goes on.

        Raises:
            UpstreamTimeout: of the phase, or `total`.
        """
        if future.done():
            future.result()
            return
        seconds, self._phase = self._left(phase)
        self._future = future
        self._connection = connection
        connection.deadline.set(self, self._loop.time() + seconds)
        try:
            await future
        finally:
            connection.deadline.clear()

    def on_timeout(self) -> None:
        """End the wait: it has lasted too long, unless something has come meanwhile."""
        connection = self._connection
        if self._phase == "idle" and connection is not None:
            at = connection.came_at + self._config.timeouts.idle
            if self._total_at is not None and self._total_at < at:
                self._phase, at = "total", self._total_at
            if at > self._loop.time():
                connection.deadline.set(self, at)
                return
        future = self._future
        if future is not None and not future.done():
            future.set_exception(self._timeout(self._phase))

    async def connected(self, pool: HTTPPool) -> HTTPConnection:
        """Return a connection.

        Raises:
            UpstreamTimeout: phase `connect` or `total`.
            OSError: none could be made.
        """
        connection = pool.idle()
        if connection is not None:
            return connection
        seconds, phase = self._left("connect")
        try:
            async with asyncio.timeout(seconds):
                return await pool.acquire()
        except TimeoutError as error:
            if error.errno is not None:
                raise  # the operating system's own, which comes as the same class
            raise self._timeout(phase) from None

    def _left(self, phase: TimeoutPhase) -> tuple[float, TimeoutPhase]:
        """Return how long to wait, and which deadline that is."""
        seconds = self._seconds(phase)
        if self._total_at is not None:
            left = self._total_at - self._loop.time()
            if left < seconds:
                return max(0.0, left), "total"
        return seconds, phase

    def _timeout(self, phase: TimeoutPhase) -> UpstreamTimeout:
        return UpstreamTimeout(self._config.name, phase, self._seconds(phase))

    def _seconds(self, phase: TimeoutPhase) -> float:
        timeouts = self._config.timeouts
        match phase:
            case "connect":
                return timeouts.connect
            case "first_byte":
                return timeouts.first_byte
            case "idle":
                return timeouts.idle
            case "total":
                return timeouts.total or 0.0


class HTTPRelay(Relay):
    """An answer whose head has arrived; see `llm_provider.provider.Relay`."""

    __slots__ = ("_clock", "_connection", "_name", "_pool", "headers", "status")

    def __init__(
        self, name: str, connection: HTTPConnection, pool: HTTPPool, clock: _Clock
    ) -> None:
        self._name = name
        self._connection: HTTPConnection | None = connection
        self._pool = pool
        self._clock = clock
        self.status = connection.status
        self.headers: Mapping[str, str] = connection.headers

    async def __aenter__(self) -> HTTPRelay:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if connection.finished:
            self._pool.release(connection)
        else:
            # This is how an engine learns to stop.
            connection.abort()

    async def read(self) -> bytes:
        """Return the whole body; see `llm_provider.provider.Relay.read`.

        Raises:
            UpstreamFailed: it is larger than `max_response_bytes`.
        """
        pieces: list[bytes] = []
        left = self._clock.max_response_bytes
        while piece := await self.piece():
            left -= len(piece)
            if left < 0:
                raise self._too_large()
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def piece(self) -> bytes:
        """Return what has come since the last time; see `llm_provider.provider.Relay.piece`."""
        connection = self._connection
        if connection is None:
            return b""
        try:
            while not (piece := connection.take()) and not connection.exhausted:
                phase: TimeoutPhase = "idle" if connection.taken else "first_byte"
                await self._clock.wait(connection, connection.more(), phase)
        except (Lost, NotHttp) as error:
            raise self._broken(error, connection.taken) from error
        return piece

    async def pump(self, sink: Sink) -> bytes:
        """Give the rest to `sink`; see `llm_provider.provider.Relay.pump`."""
        connection = self._connection
        if connection is None:
            return b""
        drain: Drain | None
        try:
            while True:
                piece = connection.take()
                if connection.exhausted:
                    return piece
                if piece:
                    drain = sink(piece)
                else:
                    delivering = connection.deliver(sink)
                    try:
                        await self._clock.wait(connection, delivering, "idle")
                        drain = connection.drain()
                    finally:
                        connection.stop_delivering()
                if drain is not None:
                    await drain
        except (Lost, NotHttp) as error:
            raise self._broken(error, connection.taken) from error

    def _too_large(self) -> UpstreamFailed:
        limit = self._clock.max_response_bytes
        return UpstreamFailed(
            self._name,
            self.status,
            b"",
            f"upstream {self._name!r}: its response is larger than max_response_bytes = {limit}",
        )

    def _broken(self, error: Lost | NotHttp, taken: int) -> ProviderError:
        if isinstance(error, NotHttp):
            return _not_http(self._name, error)
        return StreamInterrupted(self._name, taken, str(error))


@dataclass(frozen=True, slots=True)
class _Target:
    """What is sent to one URL by one method: everything but what differs between requests."""

    pool: HTTPPool
    head: bytes


class HTTPTransport:
    """A pool of connections to one upstream."""

    def __init__(self, config: UpstreamConfig) -> None:
        self._config = config
        self._pools: dict[Address, HTTPPool] = {}
        self._targets: dict[tuple[str, str], _Target] = {}

    async def send(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        request_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HTTPRelay:
        """Send one request and return once the answer's head is there.

        Args:
            request_id: printable ASCII, as is everything in `headers`.
            headers: more of them, of a distributed trace and of the caller's protocol.

        Raises:
            UpstreamUnavailable: no connection could be made.
            UpstreamTimeout: phase `connect`, `first_byte` or `total`.
            UpstreamDisconnected: the connection was lost before the answer's head was complete.
            UpstreamFailed: what came back is not HTTP.
        """
        name = self._config.name
        target = self._targets.get((method, url)) or self._target(method, url)
        # All that can fail is done before there is a connection: nobody would give it back.
        request = _request(target.head, body, _headers(request_id, headers))
        clock = _Clock(self._config, target.pool.loop)
        try:
            connection = await clock.connected(target.pool)
        except OSError as error:
            raise _unavailable(name, error) from error
        head: asyncio.Future[None] | None = None
        try:
            head = connection.send(request)
            sent = connection.sent()
            if sent is not None:
                await clock.wait(connection, sent, "first_byte")
            await clock.wait(connection, head, "first_byte")
        except BaseException as error:
            if head is not None:
                head.cancel()
            connection.abort()
            if isinstance(error, Lost):
                raise UpstreamDisconnected(name, f"upstream {name!r}: {error}") from error
            if isinstance(error, NotHttp):
                raise _not_http(name, error) from error
            raise
        return HTTPRelay(name, connection, target.pool, clock)

    async def close(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            await pool.close()

    def _target(self, method: str, url: str) -> _Target:
        try:
            parts = urlsplit(url)
            port = parts.port or _DEFAULT_PORTS[parts.scheme]
            host = (parts.hostname or "").encode("idna").decode("ascii")
        except (KeyError, ValueError) as error:
            raise _bad_address(self._config.name) from error
        if not host:
            raise _bad_address(self._config.name)
        address = Address(host, port, parts.scheme == "https")
        pool = self._pools.get(address)
        if pool is None:
            pool = self._pools[address] = HTTPPool(address, self._config.max_connections)
        named = f"[{host}]" if ":" in host else host
        if port != _DEFAULT_PORTS[parts.scheme]:
            named = f"{named}:{port}"
        path = quote(parts.path or "/", safe=_PATH_CHARACTERS)
        target = self._targets[method, url] = _Target(pool, self._head(method, path, named))
        return target

    def _head(self, method: str, path: str, host: str) -> bytes:
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {host}",
            "Accept: */*",
            # What cannot be compressed cannot be held back by a compressor.
            "Accept-Encoding: identity",
            "Content-Type: application/json",
            "User-Agent: querylake",
        ]
        if self._config.api_key is not None:
            lines.append(f"Authorization: Bearer {self._config.api_key}")
        return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def _request(head: bytes, body: bytes | None, headers: bytes) -> bytes:
    if body is None:
        return b"%b%b\r\n" % (head, headers)
    return b"%b%bContent-Length: %d\r\n\r\n%b" % (head, headers, len(body), body)


def _headers(request_id: str | None, headers: Mapping[str, str] | None) -> bytes:
    """Return the headers that differ between requests."""
    lines = "" if request_id is None else f"X-Request-Id: {request_id}\r\n"
    if headers:
        lines += "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    count = (request_id is not None) + len(headers or ())
    if not lines.isascii() or not lines.replace("\r\n", "", count).isprintable():
        raise ValueError(f"headers must be printable ASCII, not {lines!r}")
    return lines.encode()


def _not_http(name: str, error: NotHttp) -> UpstreamFailed:
    return UpstreamFailed(
        name, 0, b"", f"upstream {name!r} sent something that is not HTTP: {error}"
    )


def _unavailable(name: str, error: OSError) -> UpstreamUnavailable:
    if isinstance(error, ssl.SSLError):
        return UpstreamUnavailable(name, f"upstream {name!r}: TLS failed: {_reason(error)}")
    return UpstreamUnavailable(name, f"upstream {name!r}: {_reason(error)}")


def _bad_address(name: str) -> UpstreamUnavailable:
    return UpstreamUnavailable(
        name, f"upstream {name!r}: its base_url is no HTTP address; write http://host:port/v1"
    )


def _reason(error: OSError) -> str:
    """Return one clause without the address, which asyncio's own texts hold."""
    if isinstance(error, (ssl.SSLError, socket.gaierror)):
        return error.strerror or type(error).__name__
    return os.strerror(error.errno) if error.errno else "no connection could be made"
