"""A load generator that costs little: persistent connections, each with one request at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import httptools
import orjson

_DONE = b"data: [DONE]"
_CONTENT = b'"content":" fox"'


@dataclass(frozen=True, slots=True)
class Request:
    """What to send, and what a right answer looks like.

    Attributes:
        chunks: content chunks of a right stream; None for an answer that is no stream.
        interval_ms: milliseconds between them.
    """

    url: str
    model: str
    key: str | None
    chunks: int | None = None
    interval_ms: int = 0

    def wire(self) -> bytes:
        """Return the request as bytes."""
        parts = urlsplit(self.url)
        document: dict[str, object] = {
            "model": self.model,
            "messages": [{"role": "user", "content": "Tell me about the quick brown fox."}],
            "temperature": 0,
            "max_tokens": self.chunks or 16,
            "seed": self.interval_ms,
        }
        if self.chunks is not None:
            document["stream"] = True
        body = orjson.dumps(document)
        head = [
            f"POST {parts.path}/chat/completions HTTP/1.1",
            f"Host: {parts.netloc}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        ]
        if self.key is not None:
            head.append(f"Authorization: Bearer {self.key}")
        return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@dataclass(slots=True)
class Tally:
    """What came back. Times are in seconds."""

    latencies: list[float] = field(default_factory=list)
    first_bytes: list[float] = field(default_factory=list)
    chunks: int = 0
    errors: list[str] = field(default_factory=list)


class _Connection(asyncio.Protocol):
    def __init__(self, request: Request, wire: bytes, tally: Tally, deadline: float) -> None:
        self._request = request
        self._wire = wire
        self._tally = tally
        self._deadline = deadline
        self._sent = 0.0
        self._pieces: list[bytes] = []
        self._first_content: float | None = None
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not registered as asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.finished.done():
            self._tally.errors.append("the connection was closed in the middle of an answer")
            self.finished.set_result(None)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._tally.errors.append(f"not HTTP: {error}")
            self._end()

    def on_body(self, body: bytes) -> None:
        if self._first_content is None and (self._request.chunks is None or _CONTENT in body):
            self._first_content = time.perf_counter()
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        now = time.perf_counter()
        fault = self._fault()
        if fault is not None:
            self._tally.errors.append(fault)
            self._end()
            return
        self._tally.latencies.append(now - self._sent)
        if self._first_content is not None:
            self._tally.first_bytes.append(self._first_content - self._sent)
        self._tally.chunks += self._request.chunks or 0
        if now < self._deadline and self._parser.should_keep_alive():
            self._send()
        else:
            self._end()

    def _send(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._pieces = []
        self._first_content = None
        self._sent = time.perf_counter()
        self._transport.write(self._wire)

    def _fault(self) -> str | None:
        status = self._parser.get_status_code()
        body = b"".join(self._pieces)
        if status != 200:
            return f"status {status}: {body[:200]!r}"
        if self._request.chunks is None:
            return None if b'"usage"' in body else f"no chat completion: {body[:200]!r}"
        found = body.count(_CONTENT)
        if found != self._request.chunks or _DONE not in body[-32:]:
            return f"{found} of {self._request.chunks} chunks, end {body[-32:]!r}"
        return None

    def _end(self) -> None:
        if not self.finished.done():
            self.finished.set_result(None)
        self._transport.close()


async def run_load(request: Request, *, connections: int, seconds: float) -> Tally:
    """Send requests over so many connections at once, until the time is over.

    Answers that have begun by then are waited for. Every answer is checked.
    """
    parts = urlsplit(request.url)
    host, port = parts.hostname, parts.port
    assert host is not None
    assert port is not None
    tally = Tally()
    wire = request.wire()
    deadline = time.perf_counter() + seconds
    loop = asyncio.get_running_loop()
    opened: Sequence[_Connection] = [
        (
            await loop.create_connection(
                lambda: _Connection(request, wire, tally, deadline), host, port
            )
        )[1]
        for _ in range(connections)
    ]
    async with asyncio.timeout(seconds + 60):
        await asyncio.gather(*(connection.finished for connection in opened))
    return tally
