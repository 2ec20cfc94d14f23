"""Our own HTTP transport, on both event loops: asyncio's, and uvloop, on which the API runs.

The tests of the provider and of faults go over it, too. Here are connections: how they are kept,
bounded, given up, and how any split of an answer's bytes is read alike.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from contextlib import closing, suppress
from typing import Any

import pytest
import uvloop
from hypothesis import example, given
from hypothesis import strategies as st

from llm_provider import http_pool
from llm_provider.config import Timeouts
from llm_provider.errors import (
    UpstreamDisconnected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from llm_provider.http_connection import HTTPConnection, Lost, NotHttp
from llm_provider.transport import HTTPTransport
from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine
from llm_provider_testing.upstream_calls import Run, ask, whole, with_engine
from waiting_testing.waiting import PATIENCE


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Give what runs a scenario on one of the loops."""
    runner: Run = asyncio.run if request.param == "asyncio" else uvloop.run
    return runner


def test_one_connection_serves_one_request_after_the_other(run: Run) -> None:
    async def scenario(engine: ScriptedEngine, transport: HTTPTransport) -> None:
        engine.script = whole
        for number in range(20):
            body = b'{"n":%d}' % number
            assert await ask(engine, transport, body) == body
        assert engine.connections == 1
        await asyncio.gather(*(ask(engine, transport) for _ in range(5)))
        assert 2 <= engine.connections <= 5

    run(with_engine(scenario))


def test_a_request_has_gone_before_anything_else_is_done(run: Run) -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: HTTPConnection(lambda _: None), *listener.getsockname()
            )
            with closing(listener.accept()[0]) as engine:
                engine.settimeout(60)
                head = connection.send(b"request")
                # The loop waits for this, so nothing that it has kept for later can come.
                assert engine.recv(100) == b"request"
                head.cancel()
                connection.abort()
        await asyncio.sleep(0)

    run(scenario())


def test_a_connection_that_the_engine_has_closed_is_not_used(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(engine: ScriptedEngine, transport: HTTPTransport) -> None:
        closed = asyncio.Semaphore(0)
        lost = http_pool.HTTPPool._lost

        def noticed(pool: http_pool.HTTPPool, connection: HTTPConnection) -> None:
            lost(pool, connection)
            closed.release()

        monkeypatch.setattr(http_pool.HTTPPool, "_lost", noticed)

        async def script(exchange: Exchange) -> None:
            await exchange.whole(b"{}")
            exchange.hang_up()

        engine.script = script
        for _ in range(3):
            assert await ask(engine, transport) == b"{}"
            await closed.acquire()
        assert engine.connections == 3

    run(with_engine(scenario))


def test_an_engine_that_wants_its_connection_closed(run: Run) -> None:
    async def scenario(engine: ScriptedEngine, transport: HTTPTransport) -> None:
        async def script(exchange: Exchange) -> None:
            await exchange.whole(b"{}", headers={"connection": "close"})

        engine.script = script
        for _ in range(3):
            assert await ask(engine, transport) == b"{}"
        assert engine.connections == 3

    run(with_engine(scenario))


def test_idle_connections_are_closed_before_the_engine_does_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_pool, "KEEP_ALIVE_SECONDS", 0.1)

    async def scenario(engine: ScriptedEngine, transport: HTTPTransport) -> None:
        gone = asyncio.Event()

        async def script(exchange: Exchange) -> None:
            await exchange.whole(b"{}")
            await exchange.caller_gone()
            gone.set()

        engine.script = script
        await ask(engine, transport)
        await gone.wait()
        await ask(engine, transport)
        assert engine.connections == 2

    run(with_engine(scenario))


def test_no_more_connections_than_allowed_and_none_is_lost(run: Run) -> None:
    async def scenario(engine: ScriptedEngine, transport: HTTPTransport) -> None:
        at_once = 0
        most = 0
        two = asyncio.Event()

        async def script(exchange: Exchange) -> None:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            if at_once == 2:
                two.set()
            await two.wait()
            await asyncio.sleep(0.01)  # in which a third one would come
            at_once -= 1
            await exchange.whole(b"{}")

        engine.script = script
        assert await asyncio.gather(*(ask(engine, transport) for _ in range(20))) == [b"{}"] * 20
        assert (most, engine.connections) == (2, 2)
        # An engine notices a moment later that somebody has left.
        asking = [asyncio.create_task(ask(engine, transport)) for _ in range(30)]
        await asyncio.sleep(0.02)
        for task in asking[::3]:
            task.cancel()
        results = await asyncio.gather(*asking, return_exceptions=True)
        assert results.count(b"{}") >= 20
        assert await asyncio.gather(*(ask(engine, transport) for _ in range(4))) == [b"{}"] * 4

    run(with_engine(scenario, max_connections=2))


def test_waiting_for_a_connection_has_an_end(run: Run) -> None:
    async def scenario(engine: ScriptedEngine, transport: HTTPTransport) -> None:
        async def script(exchange: Exchange) -> None:
            await exchange.caller_gone()

        engine.script = script
        first = asyncio.create_task(ask(engine, transport))
        while not engine.requests:
            await asyncio.sleep(0.005)
        with pytest.raises(UpstreamTimeout) as caught:
            await ask(engine, transport)
        assert caught.value.phase == "connect"
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first
        engine.script = whole
        assert await ask(engine, transport) == b"{}"

    run(with_engine(scenario, timeouts=Timeouts(1, 60, 60), max_connections=1))


def test_who_is_cancelled_takes_the_connection_along(run: Run) -> None:
    async def scenario(engine: ScriptedEngine, transport: HTTPTransport) -> None:
        begun = asyncio.Event()
        gone = asyncio.Semaphore(0)
        heads = [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", b""]
        heads[3] = heads[2] + b"1234"

        async def script(exchange: Exchange) -> None:
            await exchange.raw(heads[len(engine.requests) - 1])
            begun.set()
            await exchange.caller_gone()
            gone.release()

        engine.script = script
        for _ in heads:
            begun.clear()
            task = asyncio.create_task(ask(engine, transport))
            await begun.wait()
            task.cancel()
            await gone.acquire()

    run(with_engine(scenario))


def test_an_engine_that_does_not_take_the_request(run: Run) -> None:
    async def scenario(engine: ScriptedEngine, transport: HTTPTransport) -> None:
        async def never_read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(PATIENCE)

        server = await asyncio.start_server(never_read, "127.0.0.1", 0, limit=1024)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/x"
        with pytest.raises(UpstreamTimeout) as caught:
            await transport.send("POST", url, body=b"x" * 30_000_000)
        assert caught.value.phase == "first_byte"
        server.close()

    run(with_engine(scenario, timeouts=Timeouts(60, 0.3, 60)))


def test_the_whole_call_has_a_deadline_of_its_own(run: Run) -> None:
    async def scenario(engine: ScriptedEngine, transport: HTTPTransport) -> None:
        async def drip(exchange: Exchange) -> None:
            await exchange.begin_stream()
            with suppress(ConnectionError):
                while True:
                    await exchange.piece(b"data: x\n\n")
                    await asyncio.sleep(0.02)

        engine.script = drip
        with pytest.raises(UpstreamTimeout) as caught:
            await ask(engine, transport)
        assert (caught.value.phase, caught.value.seconds) == ("total", 0.4)

    run(with_engine(scenario, timeouts=Timeouts(60, 60, 60, 0.4)))


def test_nobody_there_and_lost_connections(run: Run) -> None:
    async def scenario(engine: ScriptedEngine, transport: HTTPTransport) -> None:
        with pytest.raises(UpstreamUnavailable, match="'e': Connection refused"):
            await transport.send("GET", "http://127.0.0.1:1/")

        async def reset(exchange: Exchange) -> None:
            exchange.reset()

        engine.script = reset
        with pytest.raises(UpstreamDisconnected, match="'e': Connection reset by peer"):
            await ask(engine, transport)

    run(with_engine(scenario))


class FakeTransport(asyncio.Transport):
    """A transport that goes nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.aborted = False

    def is_closing(self) -> bool:
        return self.aborted

    def write(self, data: Any) -> None:
        pass

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def read_in_pieces(pieces: list[bytes], *, lost: bool = True) -> tuple[int, bytes, bool, bool]:
    """Return status, body, whether it is complete, and whether the connection may be used again."""

    async def read() -> tuple[int, bytes, bool, bool]:
        connection = HTTPConnection(lambda _: None)
        transport = FakeTransport()
        connection.connection_made(transport)
        head = connection.send(b"")
        for piece in pieces:
            if not transport.aborted:
                connection.data_received(piece)
        reusable = connection.finished
        if lost:
            connection.connection_lost(None)
        with suppress(Lost, NotHttp):
            await head
        body = b""
        complete = True
        try:
            while chunk := connection.take():
                body += chunk
        except (Lost, NotHttp):
            complete = False
        return connection.status, body, complete, reusable

    return asyncio.run(read())


BODY = b'{"a": "\xc3\xa9"}'
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n%b\r\n8\r\n%b\r\n0\r\n\r\n"
    % (
        BODY[:3],
        BODY[3:],
    )
)
UNTIL_EOF = b"HTTP/1.0 200 OK\r\n\r\n" + BODY
INTERIM = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + LENGTH
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
ANSWERS = [
    (LENGTH, 200, BODY, True),
    (CHUNKED, 200, BODY, True),
    (UNTIL_EOF, 200, BODY, False),
    (INTERIM, 200, BODY, True),
    (EMPTY, 204, b"", True),
]


@given(st.sampled_from(ANSWERS), st.lists(st.integers(0, 200), max_size=12))
def test_any_split_of_an_answer_is_read_alike(
    answer: tuple[bytes, int, bytes, bool], cuts: list[int]
) -> None:
    content, status, body, reusable = answer
    places = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    pieces = [content[a:b] for a, b in itertools.pairwise(places) if a < b]
    assert read_in_pieces(pieces) == (status, body, True, reusable)


@given(st.sampled_from([LENGTH, CHUNKED, INTERIM]), st.integers(1, 100))
def test_an_answer_that_is_cut_is_never_taken_for_a_whole_one(content: bytes, cut: int) -> None:
    pieces = [content[: max(0, len(content) - cut)]]
    _, body, complete, reusable = read_in_pieces([piece for piece in pieces if piece])
    assert not complete
    assert not reusable
    assert BODY.startswith(body)


@example([LENGTH, b"HTTP/1.1 200 OK\r\n"])
@example([LENGTH + LENGTH])
@example([b"HTTP/1.1 101 X\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", b"\x00"])
@example([b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000])
@given(st.lists(st.binary(max_size=60) | st.sampled_from([LENGTH, CHUNKED, EMPTY]), max_size=5))
def test_no_bytes_break_it(pieces: list[bytes]) -> None:
    status, _, complete, reusable = read_in_pieces([piece for piece in pieces if piece])
    assert complete or not reusable
    if b"".join(pieces).startswith(LENGTH + b"H"):
        assert (status, reusable) == (200, False)
