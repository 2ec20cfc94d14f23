"""How bodies come over our own transport: read, or delivered in the moment they come."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
import uvloop

from llm_provider.config import Timeouts
from llm_provider.errors import (
    StreamInterrupted,
    UpstreamTimeout,
)
from llm_provider.transport import HTTPTransport
from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine
from llm_provider_testing.upstream_calls import Run, ask, until_full, whole, with_engine
from waiting_testing.waiting import PATIENCE

pytestmark = pytest.mark.parametrize("run", [asyncio.run, uvloop.run])


def test_a_slow_reader_slows_the_engine_down_and_loses_nothing(run: Run) -> None:
    async def scenario(engine: ScriptedEngine, transport: HTTPTransport) -> None:
        piece = bytes(range(256)) * 1024
        sent = 0

        async def script(exchange: Exchange) -> None:
            nonlocal sent
            await exchange.raw(
                b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (200 * len(piece))
            )
            for _ in range(200):
                await exchange.raw(piece)
                sent += 1

        engine.script = script
        async with await transport.send("POST", engine.url + "/x", body=b"{}") as relay:
            chunks = relay.chunks()
            received = [await anext(chunks)]
            assert await until_full(lambda: sent) < 100
            received += [chunk async for chunk in chunks]
        assert b"".join(received) == piece * 200

    run(with_engine(scenario))


def test_pieces_are_delivered_as_they_come_and_whole(run: Run) -> None:
    async def scenario(engine: ScriptedEngine, transport: HTTPTransport) -> None:
        delivered: list[bytes] = []
        had = asyncio.Event()

        async def script(exchange: Exchange) -> None:
            await exchange.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n")
            for number in range(4):
                await exchange.raw(b"no%d" % number)
                while number < 3 and b"".join(delivered)[-3:] != b"no%d" % number:
                    had.clear()
                    await had.wait()

        def sink(piece: bytes) -> None:
            delivered.append(piece)
            had.set()

        engine.script = script
        async with await transport.send("POST", engine.url + "/x", body=b"{}") as relay:
            last = await relay.pump(sink)
        assert b"".join(delivered) == b"no0no1no2"
        assert last == b"no3", "what comes with the end can go on with it"
        engine.script = whole
        assert await ask(engine, transport, b"next") == b"next"
        assert engine.connections == 1

    run(with_engine(scenario))


def test_a_sink_that_asks_for_patience_slows_the_engine_down(run: Run) -> None:
    async def scenario(engine: ScriptedEngine, transport: HTTPTransport) -> None:
        piece = bytes(range(256)) * 1024
        sent = 0
        go_on = asyncio.Event()
        delivered: list[bytes] = []

        async def script(exchange: Exchange) -> None:
            nonlocal sent
            await exchange.raw(
                b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (200 * len(piece))
            )
            for _ in range(200):
                await exchange.raw(piece)
                sent += 1

        async def drain() -> None:
            await go_on.wait()

        def sink(piece: bytes) -> Coroutine[Any, Any, None]:
            delivered.append(piece)
            return drain()

        engine.script = script
        async with await transport.send("POST", engine.url + "/x", body=b"{}") as relay:
            pumping = asyncio.create_task(relay.pump(sink))
            assert await until_full(lambda: sent) < 100
            assert len(delivered) == 1
            go_on.set()
            delivered.append(await pumping)
        assert b"".join(delivered) == piece * 200

    run(with_engine(scenario))


def test_what_a_sink_raises_ends_the_pumping(run: Run) -> None:
    async def scenario(engine: ScriptedEngine, transport: HTTPTransport) -> None:
        async def script(exchange: Exchange) -> None:
            await exchange.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n")
            await exchange.raw(b"no")

        def sink(piece: bytes) -> None:
            raise ValueError(piece)

        engine.script = script
        with pytest.raises(ValueError, match="no"):
            async with await transport.send("POST", engine.url + "/x", body=b"{}") as relay:
                await relay.pump(sink)

    run(with_engine(scenario))


def test_pumping_has_the_deadline_between_pieces(run: Run) -> None:
    async def scenario(engine: ScriptedEngine, transport: HTTPTransport) -> None:
        async def script(exchange: Exchange) -> None:
            await exchange.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")
            for _ in range(4):  # longer than the deadline in all
                await exchange.raw(b"x")
                await asyncio.sleep(0.4)
            await asyncio.sleep(PATIENCE)

        delivered: list[bytes] = []
        engine.script = script
        with pytest.raises(UpstreamTimeout) as caught:
            async with await transport.send("POST", engine.url + "/x", body=b"{}") as relay:
                await relay.pump(delivered.append)
        assert caught.value.phase == "idle"
        assert b"".join(delivered) == b"xxxx"

    run(with_engine(scenario, timeouts=Timeouts(10, 10, 1.2)))


def test_what_came_before_a_connection_was_lost_is_delivered(run: Run) -> None:
    async def scenario(engine: ScriptedEngine, transport: HTTPTransport) -> None:
        async def script(exchange: Exchange) -> None:
            await exchange.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
            exchange.reset()

        delivered: list[bytes] = []
        engine.script = script
        with pytest.raises(StreamInterrupted):
            async with await transport.send("POST", engine.url + "/x", body=b"{}") as relay:
                await relay.pump(delivered.append)
        assert b"".join(delivered) in (b"half", b"")  # a reset may overtake it

    run(with_engine(scenario))
