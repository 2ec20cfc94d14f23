"""The rig itself: it counts right answers, and takes no wrong one for right."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway_benchmark.load import Request, run_load
from gateway_benchmark.mock_engine import MODEL, MockEngine


@pytest.fixture
async def engine() -> AsyncIterator[str]:
    server = await asyncio.get_running_loop().create_server(MockEngine, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


async def test_whole_answers_are_counted(engine: str) -> None:
    tally = await run_load(Request(engine, MODEL, None), connections=3, seconds=0.05)

    assert not tally.errors
    assert len(tally.latencies) >= 3
    assert tally.chunks == 0


@pytest.mark.parametrize("interval_ms", [0, 1])
async def test_streams_are_counted_chunk_by_chunk(engine: str, interval_ms: int) -> None:
    request = Request(engine, MODEL, None, chunks=20, interval_ms=interval_ms)

    tally = await run_load(request, connections=2, seconds=0.05)

    assert not tally.errors
    assert tally.chunks == 20 * len(tally.latencies)
    assert len(tally.first_bytes) == len(tally.latencies)


async def _answer(head: bytes) -> tuple[asyncio.Server, str]:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 500 No\r\ncontent-length: 2\r\n\r\nno", "status 500"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", "0 of 4 chunks"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{}", "closed in the middle"),
        (b"nonsense\r\n\r\n", "not HTTP"),
    ],
)
async def test_wrong_answers_are_errors(answer: bytes, expected: str) -> None:
    server, url = await _answer(answer)
    async with server:
        tally = await run_load(Request(url, MODEL, None, chunks=4), connections=1, seconds=0.01)

    assert not tally.latencies
    assert expected in tally.errors[0]
