"""An engine that does exactly what a test tells it, down to the byte and the moment."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class EngineRequest:
    """A request as it reached the engine. Header names are lower-case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


class Exchange:
    """One request and the means to answer it."""

    def __init__(
        self, request: EngineRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.request = request
        self._reader = reader
        self._writer = writer

    async def whole(
        self,
        body: bytes | object,
        *,
        status: int = 200,
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> None:
        """Send a whole answer; anything but bytes is sent as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"HTTP/1.1 {status} X", f"content-type: {content_type}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        lines += [f"content-length: {len(content)}", "", ""]
        await self.raw("\r\n".join(lines).encode() + content)

    async def begin_stream(self) -> None:
        """Send the head of an event stream."""
        await self.raw(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )

    async def piece(self, content: bytes) -> None:
        """Send one piece of a stream, which need not be an event."""
        await self.raw(b"%x\r\n%b\r\n" % (len(content), content))

    async def token(self, text: str, *, finish_reason: str | None = None) -> None:
        """Send a piece of text."""
        await self.chunk({"content": text}, finish_reason=finish_reason)

    async def chunk(self, delta: object, *, finish_reason: str | None = None) -> None:
        """Send one chunk of a chat answer."""
        chunk = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": self.request.json()["model"],
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
        }
        await self.piece(b"data: " + json.dumps(chunk).encode() + b"\n\n")

    async def usage(self, prompt_tokens: int, completion_tokens: int) -> None:
        """Send the chunk that tells a stream's usage, if the request asks for it."""
        if not (self.request.json().get("stream_options") or {}).get("include_usage"):
            return
        total = prompt_tokens + completion_tokens
        usage = {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": total,
        }
        chunk = {"id": "chatcmpl-1", "model": self.request.json()["model"], "choices": []}
        await self.piece(b"data: " + json.dumps({**chunk, "usage": usage}).encode() + b"\n\n")

    async def end_stream(self, *, done: bool = True) -> None:
        """End a stream as HTTP wants it, with or without `[DONE]`."""
        if done:
            await self.piece(b"data: [DONE]\n\n")
        await self.raw(b"0\r\n\r\n")

    async def raw(self, content: bytes) -> None:
        """Send bytes."""
        self._writer.write(content)
        await self._writer.drain()

    def hang_up(self) -> None:
        """Close the connection without another word."""
        self._writer.close()

    def reset(self) -> None:
        """Break the connection off as a crash does, so that the other side sees a reset."""
        connection: socket.socket = self._writer.get_extra_info("socket")
        # Lingering for no time at all turns the close into a reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def caller_gone(self) -> None:
        """Wait until the other side closes the connection."""
        with suppress(ConnectionError):
            while await self._reader.read(1024):
                pass


Script = Callable[[Exchange], Awaitable[None]]


async def answer_chat(exchange: Exchange) -> None:
    """Answer as a healthy engine would."""
    request = exchange.request
    if request.method == "GET":
        await exchange.whole({"object": "list", "data": []})
    elif request.json().get("stream"):
        await exchange.begin_stream()
        await exchange.token("one")
        await exchange.token(" two")
        await exchange.token(" three", finish_reason="stop")
        await exchange.usage(3, 3)
        await exchange.end_stream()
    else:
        await exchange.whole(completion(request.json()["model"]))


def answering(
    body: bytes | object,
    *,
    status: int = 200,
    content_type: str = "application/json",
    headers: dict[str, str] | None = None,
) -> Script:
    """Return a script that gives every request the same whole answer."""

    async def script(exchange: Exchange) -> None:
        await exchange.whole(body, status=status, content_type=content_type, headers=headers)

    return script


def in_two_parts(finish: asyncio.Event) -> Script:
    """Return a script that streams ` two` only once it is told to finish."""

    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.token("one")
        await finish.wait()
        await exchange.token(" two", finish_reason="stop")
        await exchange.end_stream()

    return script


def completion(model: str) -> dict[str, object]:
    """Return a chat completion."""
    message = {"role": "assistant", "content": "one two three"}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6},
    }


async def answer_probe(exchange: Exchange) -> None:
    """Be well, and tell nothing of the work."""
    if exchange.request.path == "/health":
        await exchange.whole(b"")
    else:
        await exchange.whole({"detail": "Not Found"}, status=404)


@dataclass
class ScriptedEngine:
    """A listening engine.

    Attributes:
        script: what it does with each request; may be replaced at any time.
        probe_script: what it does when somebody looks at it, at a path beside `/v1`; such requests
            are not among `requests`. None: they are requests like any other.
        requests: what has reached it.
        connections: how many it has accepted.
    """

    url: str
    script: Script = answer_chat
    probe_script: Script | None = answer_probe
    requests: list[EngineRequest] = field(default_factory=list)
    connections: int = 0
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _deaf: list[socket.socket] = field(default_factory=list)

    async def listen(self, tls: ssl.SSLContext | None) -> None:
        """Listen on a free port of loopback."""
        self._server = await asyncio.start_server(self.handle, "127.0.0.1", 0, ssl=tls)
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    def swallow(self) -> None:
        """Be a host whose packets get lost: connections end, and new ones are never made.

        The kernel drops what wants to connect to a listener whose queue is full.
        """
        assert self._server is not None, "it listens"
        address = self._server.sockets[0].getsockname()
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        listener = socket.create_server(address, backlog=0)
        self._deaf.append(listener)
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            self._deaf.append(filler)

    def close(self) -> None:
        """Listen no more."""
        assert self._server is not None, "it listens"
        self._server.close()
        for each in self._deaf:
            each.close()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        self._writers.add(writer)
        try:
            while not writer.is_closing():
                request = await _read_request(reader)
                script = self.script
                if self.probe_script is not None and not request.path.startswith("/v1/"):
                    script = self.probe_script
                else:
                    self.requests.append(request)
                await script(Exchange(request, reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()


async def _read_request(reader: asyncio.StreamReader) -> EngineRequest:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
    method, path, _ = head[0].split(" ")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return EngineRequest(method, path, headers, body)


@asynccontextmanager
async def scripted_engine(tls: ssl.SSLContext | None = None) -> AsyncIterator[ScriptedEngine]:
    """Start an engine on a free port of loopback, behind TLS if there is a context for it."""
    engine = ScriptedEngine("")
    await engine.listen(tls)
    try:
        yield engine
    finally:
        engine.close()
