"""What a client sees of how an answer is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing

import pytest
import uvicorn

from querylake_api.asgi import Receive, Scope, Send
from querylake_api.client_connection import ClientConnection
from querylake_api.exchange import EXCHANGE
from querylake_api.server import listen
from querylake_api.serving import ApiServer

App = Callable[[Scope, Receive, Send], Awaitable[None]]
Serve = Callable[[App], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
START = {"type": "http.response.start", "status": 200, "headers": []}


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serve applications, each to one client, and stop."""
    running: list[tuple[ApiServer, asyncio.Task[None]]] = []

    async def connected(app: App) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        listener = listen("127.0.0.1", 0)
        server = ApiServer(
            uvicorn.Config(app, http=ClientConnection, lifespan="off", log_config=None)
        )
        running.append((server, asyncio.create_task(server.serve(sockets=[listener]))))
        return await asyncio.open_connection(*listener.getsockname())

    yield connected
    for server, serving in running:
        server.cut()
        await asyncio.wait_for(serving, 60)


def _body(content: bytes, *, more: bool) -> dict[str, object]:
    return {"type": "http.response.body", "body": content, "more_body": more}


async def test_head_and_body_come_together(serve: Serve) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "headers": [(b"content-length", b"5")]})
        await send(_body(b"whole", more=False))

    reader, writer = await serve(app)
    with closing(writer):
        writer.write(GET)
        first = await asyncio.wait_for(reader.read(65536), 60)
    assert first.startswith(b"HTTP/1.1 200 OK\r\n")
    assert first.endswith(b"\r\n\r\nwhole")


async def test_a_head_that_nothing_follows_comes_alone(serve: Serve) -> None:
    seen = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await seen.wait()
        await send(_body(b"late", more=False))

    reader, writer = await serve(app)
    with closing(writer):
        writer.write(GET)
        assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)).startswith(b"HTTP/1.1 2")
        seen.set()
        assert (
            await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 60) == b"4\r\nlate\r\n0\r\n\r\n"
        )


async def test_an_answer_that_closes_the_connection_is_complete(serve: Serve) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "status": 204, "headers": [(b"connection", b"close")]})
        await send(_body(b"", more=False))

    reader, writer = await serve(app)
    with closing(writer):
        writer.write(GET)
        assert (await asyncio.wait_for(reader.read(), 60)).startswith(b"HTTP/1.1 204")


async def test_requests_in_one_packet_are_answered_in_their_order(serve: Serve) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope[EXCHANGE].body_complete
        body = (await receive())["body"]
        await send({**START, "headers": [(b"content-length", b"%d" % len(body))]})
        await send(_body(body, more=False))

    reader, writer = await serve(app)
    with closing(writer):
        for number in range(3):
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n#%d" % number)
        for number in range(3):
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
            assert await asyncio.wait_for(reader.readexactly(2), 60) == b"#%d" % number


async def test_the_connection_tells_that_the_client_has_gone(serve: Serve) -> None:
    begun, gone = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope[EXCHANGE].when_lost(gone.set)
        begun.set()
        await gone.wait()

    _, writer = await serve(app)
    writer.write(GET)
    await asyncio.wait_for(begun.wait(), 60)
    writer.close()
    await asyncio.wait_for(gone.wait(), 60)
