"""Heads that an engine's server refuses while they arrive, over real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from bounded_http.protocol import MAX_HEAD_BYTES, MAX_HEADERS, BoundedHttp

GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"


class Hasty(BoundedHttp):
    """Gives a head little time."""

    head_seconds = 0.3


class Impatient(BoundedHttp):
    """Waits a moment for clients to read."""

    send_seconds = 0.3


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the body and the names of the headers."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    names = b",".join(name for name, _ in scope["headers"])
    content = body + b"|" + names
    headers = [(b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


@asynccontextmanager
async def serving(
    protocol: type[asyncio.Protocol] = BoundedHttp, application: Any = echo
) -> AsyncIterator[int]:
    """Serve on a free port of loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            application, http=protocol, ws="none", lifespan="off", log_config=None, access_log=False
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server._serve(sockets=[listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await task


async def exchanged(port: int, *pieces: bytes) -> bytes:
    """Send pieces and return all that comes until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
    try:
        async with asyncio.timeout(60):
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (GET + b"X: " + b"v" * 1000, 431),
        (b"GET /" + b"u" * 1000, 431),
        (GET + b"a: b\r\n" * (MAX_HEADERS + 1) + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (GET + b"Host: b\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400),
    ],
)
async def test_such_a_head_is_refused(head: bytes, status: int) -> None:
    if status == 431:
        # Just enough: a server that closes with bytes unread resets the connection.
        head += head[-1:] * (MAX_HEAD_BYTES + 1 - len(head))
    async with serving() as port:
        response = await exchanged(port, head)
    assert response.startswith(b"HTTP/1.1 %d " % status)
    assert response.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("begun", [b"", GET])
async def test_a_head_must_come_in_time(begun: bytes) -> None:
    async with serving(Hasty) as port:
        assert (await exchanged(port, begun)).startswith(b"HTTP/1.1 408 ")


async def test_good_requests_are_served_one_after_the_other() -> None:
    chunked = POST + b"Transfer-Encoding: Chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Trailer: t\r\n\r\n"
    large = POST + b"Content-Length: 200000\r\n\r\n" + b"b" * 200_000
    last = b"GET / HTTP/1.0\r\n\r\n"
    async with serving(Hasty) as port:
        response = await exchanged(port, chunked, large, chunked, last)
    assert response.count(b"200 OK") == 4
    assert response.count(b"hi|host,transfer-encoding") == 2
    assert b"x-trailer" not in response


class Endless:
    """Writes for as long as somebody reads.

    Attributes:
        ended: set when `receive` has reported that the client is gone.
    """

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.written = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def until_gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            self.ended.set()

        watching = asyncio.create_task(until_gone())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not self.ended.is_set():
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            self.written += 65536
            # Of a lost connection `send` waits for nothing: the loop would never learn of it.
            await asyncio.sleep(0)
        await watching


async def test_a_client_that_stops_reading_is_left() -> None:
    endless = Endless()
    async with serving(Impatient, endless) as port, asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(GET + b"\r\n")
        await endless.ended.wait()
        writer.close()


async def test_a_client_that_reads_slowly_is_not() -> None:
    endless = Endless()
    async with serving(Impatient, endless) as port, asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(GET + b"\r\n")
        # Several times what all buffers between the two hold.
        for _ in range(64):
            await reader.readexactly(1 << 20)
        assert not endless.ended.is_set()
        writer.close()
        await endless.ended.wait()
