"""uvicorn's protocol over httptools, with heads bounded while they arrive, and reading as well.

httptools has no limit of a head's size, and uvicorn's settings for one are h11's alone. Nor does it
limit how long a head takes, nor how long a response may wait for a client that does not read. What
is refused here is refused with 400, by the way that a callback's
error takes through httptools, or with 431 and 408 where that is known.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024
"""A head that is complete with the read that exceeds this is served."""

MAX_HEADERS = 256
HEAD_SECONDS = 30.0
"""From a connection's begin, or a request's first byte, to the end of the head."""

SEND_SECONDS = 60.0
"""Within which a client that has stopped reading has to go on, as in nginx's `send_timeout`."""

_HEAD_TOO_LARGE = b"431 Request Header Fields Too Large"
_HEAD_TOO_SLOW = b"408 Request Timeout"


class BadHead(httptools.HttpParserError):
    """A head that is not served. httptools makes a parser's error of it, and uvicorn a 400."""


class BoundedHttp(HttpToolsProtocol):
    """One connection of a client.

    Attributes:
        head_seconds: how long a head may take.
        send_seconds: how long a response may wait for its client to read.
    """

    head_seconds = HEAD_SECONDS
    send_seconds = SEND_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None

    def connection_made(  # type: ignore[override]  # as uvicorn's own is
        self, transport: asyncio.Transport
    ) -> None:
        """Wait for the first head."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop_timer()
        self._stop_send_timer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for the client, for some time: what is not read holds an engine's slot."""
        super().pause_writing()
        self._stop_send_timer()
        # Closing would wait for the client once more.
        self._send_timer = self.loop.call_later(self.send_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on, for the client reads."""
        self._stop_send_timer()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Read on, unless the head gets too large."""
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        # Of a read in which an earlier request ends, all of it is counted: a bound and no count.
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(_HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0
        if self._head_timer is None:
            self._await_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. Trailers, which come here too, are none."""
        if not self._in_head:
            return
        if len(self.headers) >= MAX_HEADERS:
            raise BadHead("too many headers")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin the request, if its head says plainly where it ends and whom it is for."""
        self._in_head = False
        self._stop_timer()
        names = [name for name, _ in self.headers]
        hosts = names.count(b"host")
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() != "1.0"):
            raise BadHead("a request names one Host (RFC 9112, section 3.2)")
        for name, value in self.headers:
            if name == b"transfer-encoding" and value.strip().lower() != b"chunked":
                raise BadHead("Transfer-Encoding is chunked, or nothing")
        if b"transfer-encoding" in names and b"content-length" in names:
            raise BadHead("a request has one length")
        super().on_headers_complete()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_seconds, self._refuse, _HEAD_TOO_SLOW)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_send_timer(self) -> None:
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None

    def _refuse(self, status: bytes) -> None:
        self._stop_timer()
        if self.transport.is_closing():
            return
        # In the middle of another response, nothing that is written would be read as one.
        if getattr(self.cycle, "response_complete", True):
            self.transport.write(
                b"HTTP/1.1 %b\r\nconnection: close\r\ncontent-length: 0\r\n\r\n" % status
            )
        self.transport.close()
