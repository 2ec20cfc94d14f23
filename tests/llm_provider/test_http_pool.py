"""A pool loses no connection: whatever fails, and wherever a call is cancelled."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from llm_provider.config import UpstreamConfig
from llm_provider.errors import UpstreamFailed
from llm_provider.http_pool import Address, HTTPPool
from llm_provider.transport import HTTPTransport
from llm_provider_testing.scripted_engine import Exchange, scripted_engine

WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def answer(exchange: Exchange) -> None:
    """Answer a request."""
    await exchange.raw(WHOLE)


async def call(transport: HTTPTransport, url: str) -> bytes:
    """Ask for something, and read the whole response."""
    async with await transport.send("POST", url, body=b"{}") as relay:
        return await relay.read()


async def test_a_call_that_is_cancelled_at_any_await_leaves_the_pool_whole() -> None:
    async with scripted_engine() as engine:
        engine.script = answer
        transport = HTTPTransport(UpstreamConfig("e", engine.url, max_connections=2))
        url = engine.url + "/x"
        for fresh in (True, False):
            for rounds in range(40):
                if fresh:
                    await transport.close()
                tasks = [asyncio.create_task(call(transport, url)) for _ in range(5)]
                for _ in range(rounds):
                    await asyncio.sleep(0)
                tasks[rounds % 5].cancel()
                tasks[(rounds + 2) % 5].cancel()
                results = await asyncio.gather(*tasks, return_exceptions=True)
                assert all(
                    each == b"ok" or isinstance(each, asyncio.CancelledError) for each in results
                ), results
                async with asyncio.timeout(20):
                    assert await asyncio.gather(*(call(transport, url) for _ in range(4))) == (
                        [b"ok"] * 4
                    )
        await transport.close()


async def test_a_waiter_may_be_cancelled_in_the_moment_in_which_it_is_served() -> None:
    async with scripted_engine() as engine:
        port = int(engine.url.rsplit(":", 1)[1].split("/")[0])
        pool = HTTPPool(Address("127.0.0.1", port, False), 1)
        connection = await pool.acquire()
        for cancel_first in (True, False):
            waiting = asyncio.create_task(pool.acquire())
            await asyncio.sleep(0)
            if cancel_first:
                waiting.cancel()
            pool.release(connection)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            async with asyncio.timeout(20):
                assert await pool.acquire() is connection
        await pool.close()


async def test_headers_that_cannot_be_sent_cost_no_connection() -> None:
    async with scripted_engine() as engine:
        engine.script = answer
        transport = HTTPTransport(UpstreamConfig("e", engine.url, max_connections=1))
        for _ in range(3):
            with pytest.raises(ValueError, match="printable"):
                await transport.send("GET", engine.url, headers={"tracestate": "v=\xf6"})
        async with asyncio.timeout(20):
            assert await call(transport, engine.url + "/x") == b"ok"
        await transport.close()


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 " + b"r" * 200_000,
        b"HTTP/1.1 200 OK\r\nx: " + b"v" * 200_000,
        b"HTTP/1.1 200 OK\r\n" + b"n" * 200_000,
        b"HTTP/1.1 200 OK\r\n" + b"a:\r\n" * 60_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
    ],
)
async def test_an_engines_head_has_an_end(head: bytes) -> None:
    async def endless(exchange: Exchange) -> None:
        with suppress(OSError):
            while True:
                await exchange.raw(head)

    async with scripted_engine() as engine:
        engine.script = endless
        transport = HTTPTransport(UpstreamConfig("e", engine.url))
        with pytest.raises(UpstreamFailed, match="not HTTP"):
            async with asyncio.timeout(20):
                await call(transport, engine.url + "/x")
        await transport.close()


@pytest.mark.parametrize("piece", [b"a: " + b"v" * 70_000, b"a: b\r\n" * 20_000])
async def test_an_engines_trailers_have_an_end_and_are_no_headers(piece: bytes) -> None:
    async def trailing(exchange: Exchange) -> None:
        with suppress(OSError):
            await exchange.raw(
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
            )
            for _ in range(20):
                await exchange.raw(piece)

    async with scripted_engine() as engine:
        engine.script = trailing
        transport = HTTPTransport(UpstreamConfig("e", engine.url))
        with pytest.raises(UpstreamFailed, match="nothing of the body"):
            async with asyncio.timeout(20):
                await call(transport, engine.url + "/x")
        await transport.close()


async def test_a_whole_response_is_bounded() -> None:
    async def endless(exchange: Exchange) -> None:
        with suppress(OSError):
            await exchange.begin_stream()
            while True:
                await exchange.piece(b"x" * 100_000)

    async with scripted_engine() as engine:
        engine.script = endless
        config = UpstreamConfig("e", engine.url, max_response_bytes=1_000_000)
        transport = HTTPTransport(config)
        with pytest.raises(UpstreamFailed, match="max_response_bytes"):
            async with asyncio.timeout(20):
                await call(transport, engine.url + "/x")
        await transport.close()


OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"content-length: 2\r\n\r\nok"
CHUNKS = b"\r\n2\r\nok\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "response",
    [
        OK + b"transfer-encoding: gzip, chunked\r\n" + CHUNKS,
        OK + b"transfer-encoding: chunked, gzip\r\n" + CHUNKS,
        OK + b"transfer-encoding: identity\r\n\r\nok",
        OK + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n" + CHUNKS,
        OK + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n" + CHUNKS,
        OK + b"content-length: 2\r\n" + LENGTH,
        OK + b"content-length: +2\r\n\r\nok",
        OK + b"x: a\r\n b\r\n" + LENGTH,
        b"HTTP/2.0 200 OK\r\n" + LENGTH,
        b"HTTP/0.9 200 OK\r\n" + LENGTH,
        b"RTSP/1.0 200 OK\r\n" + LENGTH,
        b"ICE/1.0 200 OK\r\n" + LENGTH,
        b"HTTP/1.1 000 OK\r\n" + LENGTH,
        b"HTTP/1.1 600 OK\r\n" + LENGTH,
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    ],
)
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "byte by byte"])
async def test_only_what_http_allows_is_framed(response: bytes, cut: bool) -> None:
    async def odd(exchange: Exchange) -> None:
        with suppress(OSError):
            for start in range(0, len(response), 1 if cut else len(response)):
                await exchange.raw(response[start : start + (1 if cut else len(response))])
                await asyncio.sleep(0)

    async with scripted_engine() as engine:
        engine.script = odd
        transport = HTTPTransport(UpstreamConfig("e", engine.url))
        with pytest.raises(UpstreamFailed, match="not HTTP"):
            async with asyncio.timeout(20):
                await call(transport, engine.url + "/x")
        engine.script = answer
        assert await call(transport, engine.url + "/x") == b"ok"
        await transport.close()


@pytest.mark.parametrize(
    "response",
    [
        OK + b"transfer-encoding: Chunked\r\n" + CHUNKS,
        OK + b"upgrade: h2c\r\nconnection: upgrade\r\n" + LENGTH,
        b"\r\n" + OK + LENGTH,
        b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK + LENGTH,
    ],
)
async def test_what_http_allows_is_read(response: bytes) -> None:
    async def byte_by_byte(exchange: Exchange) -> None:
        for at in range(len(response)):
            await exchange.raw(response[at : at + 1])
            await asyncio.sleep(0)

    async with scripted_engine() as engine:
        engine.script = byte_by_byte
        transport = HTTPTransport(UpstreamConfig("e", engine.url))
        for _ in range(2):
            assert await call(transport, engine.url + "/x") == b"ok"
        await transport.close()
