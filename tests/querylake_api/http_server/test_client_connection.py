"""What a client sees of how its requests are taken, and of its connection."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querylake_api.http_server.asgi import Receive, Scope, Send
from querylake_api.http_server.connections import ConnectionLimits
from querylake_api.http_server.exchange import EXCHANGE, Exchange
from querylake_api.process.serve import listen
from querylake_api.process.server_process import ApiServer
from querylake_api_testing.connections import (
    GET,
    POST,
    START,
    Serve,
    answer,
    body_of,
    echo,
    everything,
    piece_of,
    server_of,
)


async def test_requests_in_one_packet_are_answered_in_their_order(serve: Serve) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope[EXCHANGE].body_complete
        body = (await receive())["body"]
        await send({**START, "headers": [(b"content-length", b"%d" % len(body))]})
        await send(piece_of(body, more=False))

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


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "Invalid method"),  # TLS
        (b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n", "its target is no path"),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "its target is no path"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "it is HTTP/2"),
        (POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", "Content-Length"),
    ],
)
async def test_what_is_no_request_is_told_so(serve: Serve, content: bytes, reason: str) -> None:
    reader, writer = await serve(echo)
    with closing(writer):
        writer.write(content)
        head, body = await answer(reader)
        assert head.startswith(b"http/1.1 400 ")
        assert b"connection: close" in head
        error = json.loads(body)["error"]
        assert error["code"] == "invalid_http"
        assert reason in error["message"]
        assert await everything(reader) == b""


async def test_a_head_without_end_is_refused(serve: Serve) -> None:
    reader, writer = await serve(echo)
    with closing(writer):
        writer.write(GET[:-2] + b"X-Long: " + b"x" * ConnectionLimits().head_bytes + b"\r\n\r\n")
        head, body = await answer(reader)
    assert head.startswith(b"http/1.1 431 ")
    assert json.loads(body)["error"]["code"] == "head_too_large"


async def test_nonsense_in_the_middle_of_a_body_ends_the_request(serve: Serve) -> None:
    left = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        left.set()

    reader, writer = await serve(app)
    with closing(writer):
        writer.write(POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
        writer.write(b"not a length\r\n")
        assert (await answer(reader))[0].startswith(b"http/1.1 400 ")
        await asyncio.wait_for(left.wait(), 60)


async def test_an_offer_to_upgrade_is_passed_over(serve: Serve) -> None:
    # As Java's HTTP client sends it with every first request, body and all.
    reader, writer = await serve(echo)
    offer = (
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIA\r\n"
    )
    with closing(writer):
        for _ in range(2):
            writer.write(POST + offer + b"Content-Length: 3\r\n\r\none")
            assert (await answer(reader))[1] == b"one"
        writer.write(GET[:-2] + offer + b"\r\n")
        assert (await answer(reader))[1] == b""


async def test_a_client_that_asks_first_is_told_to_go_on(serve: Serve) -> None:
    reader, writer = await serve(echo)
    with closing(writer):
        writer.write(POST + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60) == (
            b"HTTP/1.1 100 Continue\r\n\r\n"
        )
        writer.write(b"ok")
        assert (await answer(reader))[1] == b"ok"


async def test_a_refusal_comes_before_the_body_and_the_connection_goes_on(serve: Serve) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "status": 413, "headers": [(b"content-length", b"0")]})
        await send(piece_of(b"", more=False))

    reader, writer = await serve(app)
    with closing(writer):
        for _ in range(2):
            writer.write(POST + b"Content-Length: 1000000\r\n\r\n")
            assert (await answer(reader))[0].startswith(b"http/1.1 413 ")
            writer.write(b"x" * 1_000_000)
            await asyncio.wait_for(writer.drain(), 60)


async def test_a_body_that_nobody_takes_makes_the_client_wait(serve: Serve) -> None:
    take = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await take.wait()
        await echo(scope, receive, send)

    reader, writer = await serve(app)
    body = b"x" * 32_000_000
    with closing(writer):
        writer.write(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.drain(), 0.3)
        take.set()
        assert (await answer(reader))[1] == body


async def test_a_client_that_wants_no_second_request_gets_none(serve: Serve) -> None:
    reader, writer = await serve(echo)
    with closing(writer):
        writer.write(POST + b"Connection: close\r\nContent-Length: 2\r\n\r\nok")
        content = await everything(reader)
    assert content.endswith(b"\r\n\r\nok")
    assert content.count(b"connection: close\r\n") == 1


async def test_a_request_is_forgotten_without_the_garbage_collector(serve: Serve) -> None:
    reader, writer = await serve(echo)
    gc.collect()
    before = _exchanges()
    gc.disable()
    try:
        with closing(writer):
            for _ in range(5):
                writer.write(POST + b"Content-Length: 2\r\n\r\nok")
                assert (await answer(reader))[1] == b"ok"
            # The last one's task may not have ended yet.
            assert _exchanges() <= before + 1
    finally:
        gc.enable()


def _exchanges() -> int:
    return sum(isinstance(each, Exchange) for each in gc.get_objects())


async def test_an_idle_client_is_let_go(serve: Serve) -> None:
    reader, writer = await serve(echo)
    with closing(writer):
        writer.write(POST + b"Content-Length: 2\r\n\r\nok")
        assert (await answer(reader))[1] == b"ok"
        assert await everything(reader) == b""


async def test_a_server_that_stops_answers_what_it_has_begun(
    serve: Serve, servers: list[ApiServer]
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await go_on.wait()
        await echo(scope, receive, send)

    reader, writer = await serve(app)
    with closing(writer):
        writer.write(POST + b"Content-Length: 2\r\n\r\nok")
        await asyncio.wait_for(begun.wait(), 60)
        servers[0].drain()
        go_on.set()
        content = await everything(reader)
    assert content.startswith(b"HTTP/1.1 200 ")
    assert content.endswith(b"ok")


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_requests_are_the_same_however_they_are_cut(data: st.DataObject) -> None:
    content = b"".join(
        (
            POST + b"Content-Length: 3\r\n\r\none",
            POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nt\r\n2\r\nwo\r\n0\r\n\r\n",
            POST + b"Content-Length: 0\r\n\r\n",
            b"GET /a%20b?c=d HTTP/1.1\r\nhOST: y\r\n\r\n",
        )
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=12)))
    seen: list[tuple[str, bytes, bytes]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((scope["path"], scope["query_string"], await body_of(receive)))
        await send({**START, "headers": [(b"content-length", b"0")]})
        await send(piece_of(b"", more=False))

    async def served() -> None:
        listener = listen("127.0.0.1", 0)
        server = server_of(app)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        with closing(writer):
            for start, end in itertools.pairwise([0, *cuts, len(content)]):
                writer.write(content[start:end])
                await asyncio.sleep(0)
            for _ in range(4):
                await answer(reader)
        server.cut()
        await asyncio.wait_for(serving, 60)

    asyncio.run(served())
    assert seen == [("/", b"", b"one"), ("/", b"", b"two"), ("/", b"", b""), ("/a b", b"c=d", b"")]
