"""Moving one request and its answer over HTTP, with four deadlines and one error tree.

aiohttp, because it costs a seventeenth of httpx's processor time on this path; nothing outside this
module knows of it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Mapping

import aiohttp
from yarl import URL

from llm_provider.config import UpstreamConfig
from llm_provider.errors import (
    ProviderError,
    StreamInterrupted,
    UpstreamDisconnected,
    UpstreamFailed,
    UpstreamTimeout,
    UpstreamUnavailable,
)

KEEP_ALIVE_SECONDS = 4.0
"""Less than the 5 s after which uvicorn, and so vLLM, closes an idle connection: the side that
closes first cannot lose a request on a connection that the other side has just given up."""


class HTTPRelay:
    """An answer whose head has arrived; see `llm_provider.provider.Relay`."""

    __slots__ = ("_config", "_deadline", "_response", "headers", "status")

    def __init__(
        self, config: UpstreamConfig, response: aiohttp.ClientResponse, deadline: float | None
    ) -> None:
        self._config = config
        self._response = response
        self._deadline = deadline
        """On the loop's clock; None for none."""
        self.status = response.status
        self.headers: Mapping[str, str] = {
            name.lower(): value for name, value in response.headers.items()
        }

    async def __aenter__(self) -> HTTPRelay:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        # Once the body has ended the connection is back in the pool and this does nothing;
        # before, it closes the connection, which is how an engine learns to stop.
        self._response.close()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield body bytes as they arrive; see `llm_provider.provider.Relay.chunks`."""
        name = self._config.name
        timeouts = self._config.timeouts
        content = self._response.content
        reads = 0
        while True:
            if reads == 1:
                self._start_idle_clock()
            try:
                if self._deadline is None:
                    chunk = await content.readany()
                else:
                    async with asyncio.timeout_at(self._deadline):
                        chunk = await content.readany()
            except aiohttp.SocketTimeoutError:
                if reads == 0:
                    raise UpstreamTimeout(name, "first_byte", timeouts.first_byte) from None
                raise UpstreamTimeout(name, "idle", timeouts.idle) from None
            except TimeoutError:
                raise UpstreamTimeout(name, "total", timeouts.total or 0.0) from None
            except (aiohttp.ClientError, OSError) as error:
                raise StreamInterrupted(name, reads, _reason(error)) from error
            if not chunk:
                return
            reads += 1
            yield chunk

    async def read(self) -> bytes:
        """Return the whole body; see `llm_provider.provider.Relay.read`."""
        return b"".join([chunk async for chunk in self.chunks()])

    def _start_idle_clock(self) -> None:
        """Begin to wait for the second chunk. The first may have come with the head, before the
        length of the timeout was changed."""
        connection = self._response.connection
        if connection is not None and connection.protocol is not None:
            connection.protocol.start_timeout()


class HTTPTransport:
    """A pool of connections to one upstream.

    Redirects are not followed and proxies from the environment are not used: either would carry the
    upstream's key to an address that no operator has configured.
    """

    def __init__(self, config: UpstreamConfig) -> None:
        self._config = config
        self._urls: dict[str, URL] = {}
        self._session: aiohttp.ClientSession | None = None

    async def send(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        request_id: str | None = None,
        trace: Mapping[str, str] | None = None,
    ) -> HTTPRelay:
        """Send one request and return once the answer's head is there.

        Raises:
            UpstreamUnavailable: no connection could be made.
            UpstreamTimeout: phase `connect`, `first_byte` or `total`.
            UpstreamDisconnected: the connection was lost before the answer's head was complete.
            UpstreamFailed: what came back is not HTTP.
        """
        name = self._config.name
        timeouts = self._config.timeouts
        now = asyncio.get_running_loop().time()
        deadline = None if timeouts.total is None else now + timeouts.total
        # aiohttp's clock begins with the request's last byte, and a frozen engine takes no bytes.
        head_deadline = now + timeouts.connect + 2 * timeouts.first_byte
        total_first = deadline is not None and deadline <= head_deadline
        try:
            async with asyncio.timeout_at(deadline if total_first else head_deadline):
                response = await self._open_session().request(
                    method,
                    self._url(url),
                    data=body,
                    headers=_headers(request_id, trace),
                    allow_redirects=False,
                )
        except aiohttp.ConnectionTimeoutError:
            raise UpstreamTimeout(name, "connect", timeouts.connect) from None
        except aiohttp.SocketTimeoutError:
            raise UpstreamTimeout(name, "first_byte", timeouts.first_byte) from None
        except TimeoutError:
            if total_first:
                raise UpstreamTimeout(name, "total", timeouts.total or 0.0) from None
            raise UpstreamTimeout(name, "first_byte", timeouts.first_byte) from None
        except (aiohttp.ClientError, OSError) as error:
            raise _translated(name, error) from error
        self._await_body(response)
        return HTTPRelay(self._config, response, deadline)

    def _await_body(self, response: aiohttp.ClientResponse) -> None:
        """Let the idle timeout hold from the body's first bytes on.

        aiohttp's clock for reading starts anew with every read and stands still while a slow client
        keeps us from reading. It knows one length for head and body, so the length is changed here;
        until the next bytes come, the old one still runs.
        """
        connection = response.connection
        if connection is not None and connection.protocol is not None:
            connection.protocol.read_timeout = self._config.timeouts.idle

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    def _url(self, url: str) -> URL:
        known = self._urls.get(url)
        if known is None:
            try:
                known = self._urls[url] = URL(url)
            except ValueError as error:
                raise _bad_address(self._config.name) from error
        return known

    def _open_session(self) -> aiohttp.ClientSession:
        # Made on first use: a session belongs to the loop it was made in.
        if self._session is None:
            self._session = _session(self._config)
        return self._session


def _session(config: UpstreamConfig) -> aiohttp.ClientSession:
    headers = {
        "Accept": "*/*",
        # What cannot be compressed cannot be held back by a compressor.
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "User-Agent": "querylake",
    }
    if config.api_key is not None:
        headers["Authorization"] = f"Bearer {config.api_key}"
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=config.max_connections,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
        ),
        headers=headers,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(
            total=None,
            connect=config.timeouts.connect,
            sock_read=config.timeouts.first_byte,
        ),
    )


def _translated(name: str, error: aiohttp.ClientError | OSError) -> ProviderError:
    """Return what a failure before the answer's head means."""
    if isinstance(error, aiohttp.ClientSSLError):
        return UpstreamUnavailable(name, f"upstream {name!r}: TLS failed: {_reason(error)}")
    if isinstance(error, aiohttp.ClientConnectorError):
        return UpstreamUnavailable(name, f"upstream {name!r}: {_reason(error)}")
    if isinstance(error, (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError)):
        return _bad_address(name)
    if isinstance(error, (aiohttp.ClientResponseError, aiohttp.ClientPayloadError)):
        return UpstreamFailed(
            name, 0, b"", f"upstream {name!r} sent something that is not HTTP: {_reason(error)}"
        )
    return UpstreamDisconnected(name, f"upstream {name!r}: {_reason(error)}")


def _bad_address(name: str) -> UpstreamUnavailable:
    return UpstreamUnavailable(
        name, f"upstream {name!r}: its base_url is no HTTP address; write http://host:port/v1"
    )


def _reason(error: Exception) -> str:
    """Return one clause without the address, which texts of asyncio and aiohttp hold."""
    if isinstance(error, aiohttp.ClientResponseError):
        return error.message.partition("\n")[0].removesuffix(":")
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the connection was closed"
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if not isinstance(cause, OSError):
        return str(cause) or type(cause).__name__
    if cause.errno and not isinstance(cause, (ssl.SSLError, socket.gaierror)):
        return os.strerror(cause.errno)
    return cause.strerror or "the connection was closed"


def _headers(request_id: str | None, trace: Mapping[str, str] | None) -> dict[str, str] | None:
    """Return what a request carries beyond what all of them do."""
    if request_id is None:
        return None if trace is None else dict(trace)
    return {"X-Request-Id": request_id, **(trace or {})}
