"""What a client sees of how answers are sent: what goes out when, and how it ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import closing

import pytest
import uvloop

from querylake_api.http_server.asgi import Receive, Scope, Send
from querylake_api.http_server.connection_exchange import ConnectionExchange
from querylake_api.http_server.exchange import EXCHANGE
from querylake_api.process.serve import listen
from querylake_api_testing.connections import (
    GET,
    START,
    Serve,
    answer,
    everything,
    piece_of,
    server_of,
)


async def test_head_and_body_come_together(serve: Serve) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "headers": [(b"content-length", b"5")]})
        await send(piece_of(b"whole", more=False))

    reader, writer = await serve(app)
    with closing(writer):
        writer.write(GET)
        first = await asyncio.wait_for(reader.read(65536), 60)
    assert first.startswith(b"HTTP/1.1 200 OK\r\n")
    assert first.endswith(b"\r\n\r\nwhole")


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_what_is_sent_has_gone_before_anything_else_is_done(
    run: Callable[[Coroutine[None, None, None]], None],
) -> None:
    came: list[bytes] = []

    async def scenario() -> None:
        with listen("127.0.0.1", 0) as listener, socket.socket() as client:
            client.settimeout(60)

            async def app(scope: Scope, receive: Receive, send: Send) -> None:
                exchange: ConnectionExchange = scope[EXCHANGE]
                exchange.begin(200, (), events=True)
                for piece in (b"one", b"two"):
                    exchange.pass_on(piece)
                    # The loop waits for this, so nothing that it has kept for later can come.
                    came.append(client.recv(1000))
                exchange.end(b"")
                server.drain()
                await exchange.finish()

            server = server_of(app)
            client.connect(listener.getsockname())
            client.sendall(GET)
            await asyncio.wait_for(server.serve(sockets=[listener]), 60)

    run(scenario())
    assert [piece[-8:] for piece in came] == [b"3\r\none\r\n", b"3\r\ntwo\r\n"]


async def test_a_streams_end_is_sent_when_all_else_is_done(serve: Serve) -> None:
    answered: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        exchange: ConnectionExchange = scope[EXCHANGE]
        exchange.begin(200, (), events=True)
        exchange.pass_on(b"one")
        exchange.end(b"two")
        answered.append(exchange.answered)
        await exchange.finish()

    reader, writer = await serve(app)
    with closing(writer):
        for _ in range(2):
            writer.write(GET)
            stream = await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 60)
            assert stream.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
    assert answered == [False, False]


async def test_a_head_that_nothing_follows_comes_alone(serve: Serve) -> None:
    seen = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await seen.wait()
        await send(piece_of(b"late", more=False))

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
        await send(piece_of(b"", more=False))

    reader, writer = await serve(app)
    with closing(writer):
        writer.write(GET)
        assert (await asyncio.wait_for(reader.read(), 60)).startswith(b"HTTP/1.1 204")


async def test_a_client_that_does_not_read_makes_the_application_wait(serve: Serve) -> None:
    sent = 0
    piece = b"x" * 100_000

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal sent
        await send(START)
        for _ in range(400):
            await send(piece_of(piece, more=True))
            sent += 1
        await send(piece_of(b"", more=False))

    reader, writer = await serve(app)
    with closing(writer):
        writer.write(GET)
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
        before = -1
        while sent != before:
            before = sent
            await asyncio.sleep(0.1)
        assert sent < 400
        size = 0
        while (line := await asyncio.wait_for(reader.readline(), 60)) != b"0\r\n":
            size += len(await reader.readexactly(int(line, 16) + 2)) - 2
    assert size == 400 * len(piece)


async def test_clients_that_know_no_chunks_read_to_the_end(serve: Serve) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(piece_of(b"one ", more=True))
        await send(piece_of(b"two", more=False))

    reader, writer = await serve(app)
    with closing(writer):
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        head, _, body = (await everything(reader)).partition(b"\r\n\r\n")
    assert body == b"one two"
    assert b"transfer-encoding" not in head


async def test_the_head_alone_is_sent_to_who_asks_for_it(serve: Serve) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "headers": [(b"content-length", b"5")]})
        await send(piece_of(b"whole", more=False))

    reader, writer = await serve(app)
    with closing(writer):
        writer.write(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
        assert b"content-length: 5" in head
        assert (await answer(reader))[1] == b"whole"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([(b"x-name", b"a\r\nset-cookie: b"), (b"content-length", b"2")], b"ok"),
        ([(b"content-length", b"1")], b"longer"),
        ([(b"content-length", b"9")], b"shorter"),
    ],
)
async def test_an_answer_that_would_be_another_one_is_not_sent(
    serve: Serve, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "headers": headers})
        await send(piece_of(body, more=False))

    reader, writer = await serve(app)
    with closing(writer):
        writer.write(GET)
        assert await everything(reader) == b""
