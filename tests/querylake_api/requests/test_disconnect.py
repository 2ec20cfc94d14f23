"""A client that leaves takes its request to the engine with it, in every phase."""

from __future__ import annotations

import asyncio

import pytest

from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine, answer_chat
from querylake_api_testing.client import Client
from querylake_api_testing.running import RunningApi
from waiting_testing.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("_any_server")


@pytest.fixture
async def client(api: RunningApi) -> Client:
    connected = Client(api)
    await connected.connect()
    return connected


async def outcomes(api: RunningApi) -> list[object]:
    """Return the outcomes of the requests so far, once there are any."""
    return [line["outcome"] for line in await api.requests_logged()]


@pytest.mark.parametrize("stream", [False, True])
async def test_while_the_engine_thinks(
    api: RunningApi, engine: ScriptedEngine, client: Client, stream: bool
) -> None:
    working = asyncio.Event()
    gone = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        working.set()
        await exchange.caller_gone()
        gone.set()

    engine.script = script
    await client.send({"model": "default", "messages": [], "stream": stream})
    await asyncio.wait_for(working.wait(), PATIENCE)
    client.leave()
    await asyncio.wait_for(gone.wait(), PATIENCE)
    assert await outcomes(api) == ["client_abort"]


async def test_between_two_events(api: RunningApi, engine: ScriptedEngine, client: Client) -> None:
    gone = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.token("one")
        await exchange.caller_gone()
        gone.set()

    engine.script = script
    await client.send({"model": "default", "messages": [], "stream": True})
    await client.reader.readuntil(b'"one"')
    client.leave()
    await asyncio.wait_for(gone.wait(), PATIENCE)
    assert await outcomes(api) == ["client_abort"]


async def test_while_a_whole_answer_arrives(
    api: RunningApi, engine: ScriptedEngine, client: Client
) -> None:
    half = asyncio.Event()
    gone = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")
        half.set()
        await exchange.caller_gone()
        gone.set()

    engine.script = script
    await client.send({"model": "default", "messages": []})
    await asyncio.wait_for(half.wait(), PATIENCE)
    client.leave()
    await asyncio.wait_for(gone.wait(), PATIENCE)
    assert await outcomes(api) == ["client_abort"]


async def test_before_the_request_is_complete(
    api: RunningApi, engine: ScriptedEngine, client: Client
) -> None:
    await client.send({"model": "default", "messages": []}, cut=1)
    client.leave()
    assert await outcomes(api) == ["client_abort"]
    assert engine.requests == []


async def test_while_it_reads_too_slowly(
    api: RunningApi, engine: ScriptedEngine, client: Client
) -> None:
    gone = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        piece = b"data: " + b"x" * 100_000 + b"\n\n"
        try:
            while True:  # until every buffer on the way is full, and then until the caller leaves
                await exchange.piece(piece)
        except ConnectionError:
            gone.set()

    engine.script = script
    await client.send({"model": "default", "messages": [], "stream": True})
    await client.reader.readuntil(b"data: ")
    client.leave()
    await asyncio.wait_for(gone.wait(), PATIENCE)
    assert await outcomes(api) == ["client_abort"]


async def test_nothing_is_left_behind(
    api: RunningApi, engine: ScriptedEngine, client: Client
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.caller_gone()

    engine.script = script
    for _ in range(10):
        leaver = Client(api)
        await leaver.connect()
        await leaver.send({"model": "default", "messages": []})
        leaver.leave()
    await api.requests_logged(10)
    engine.script = answer_chat
    await client.send({"model": "default", "messages": []})
    assert b"200 OK" in await client.reader.readline()
    assert "querylake_requests_in_flight 1.0" in (await api.client.get("/metrics")).text
