"""Where requests end, byte for byte: what is ambiguous is refused, and nothing is read twice."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from typing import cast

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querylake_api.http_server.asgi import Receive, Scope, Send
from querylake_api.http_server.connections import ConnectionLimits
from querylake_api_testing.connections import GET, POST, START, App, piece_of, serving

CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIA\r\n"
SHORT = ConnectionLimits(head_seconds=0.2, send_seconds=0.3)

Seen = list[tuple[str, str, bytes, bytes]]


def recorder(seen: Seen) -> App:
    """Return an application that notes what it gets and answers with its path and body."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            if not message["more_body"]:
                break
        key = dict(scope["headers"]).get(b"authorization", b"")
        seen.append((scope["method"], scope["path"], body, key))
        answer = scope["path"].encode() + b"=" + body
        await send({**START, "headers": [(b"content-length", b"%d" % len(answer))]})
        await send(piece_of(answer, more=False))

    return app


async def exchange(
    pieces: Sequence[bytes], limits: ConnectionLimits | None = None
) -> tuple[bytes, Seen]:
    """Send pieces, each read by the server before the next one, and return all that comes back."""
    seen: Seen = []
    async with serving(recorder(seen), limits) as address:
        reader, writer = await asyncio.open_connection(*address)
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.001 if len(pieces) < 100 else 0)
        content = await asyncio.wait_for(reader.read(), 20)
        writer.close()
    return content, seen


def statuses(content: bytes) -> list[int]:
    """Return the statuses of responses that follow each other."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", content)]


async def answered(content: bytes) -> tuple[list[int], Seen]:
    """Send something in one piece, and return the statuses of its responses."""
    seen: Seen = []
    got = b""
    async with serving(recorder(seen), SHORT) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(content)
        while piece := await asyncio.wait_for(reader.read(65536), 20):
            got += piece
        writer.close()
    return statuses(got), seen


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize("cut", range(1, 5))
@pytest.mark.parametrize("before", [b"", GET])
async def test_a_body_is_not_touched_wherever_the_head_is_cut(cut: int, before: bytes) -> None:
    body = b"A" + 3 * b"\r\nupgrade:" + SMUGGLED
    head = before + POST + b"Content-Length: %d\r\n\r\n" % len(body)
    seen: Seen = []
    async with serving(recorder(seen)) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(head[:-cut])
        await asyncio.sleep(0.05)
        writer.write(head[-cut:] + body + GET[:-2] + b"Connection: close\r\n\r\n")
        await asyncio.wait_for(reader.read(), 20)
        writer.close()
    assert [request[2] for request in seen] == ([b""] if before else []) + [body, b""]


@pytest.mark.parametrize("cut", [len(POST), len(POST) + 40, len(POST) + 44, len(POST) + 50])
@pytest.mark.parametrize("before", [b"", GET])
async def test_an_offer_to_upgrade_is_ignored_wherever_it_is_cut(cut: int, before: bytes) -> None:
    content = before + POST + OFFER + b"Content-Length: 3\r\n\r\none"
    place = cut + len(before)
    seen: Seen = []
    async with serving(recorder(seen)) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(content[:place])
        await asyncio.sleep(0.05)
        writer.write(content[place:] + GET[:-2] + b"Connection: close\r\n\r\n")
        assert set(statuses(await asyncio.wait_for(reader.read(), 20))) == {200}
        writer.close()
    assert (seen[-2][0], seen[-2][2]) == ("POST", b"one")


@pytest.mark.parametrize("more", [b"X", b"\r\n\r\nX", GET, b"\x00\x01", b"GET /"])
async def test_after_a_last_request_its_response_comes_whatever_follows(more: bytes) -> None:
    last = b"DELETE /it HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert (await answered(last + more))[0] == [200]


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01", b"GET / HTTP/9.9\r\n\r\n", b"{}\r\n\r\n"])
async def test_a_complete_request_is_answered_before_garbage_is_refused(garbage: bytes) -> None:
    found, seen = await answered(POST + b"Content-Length: 2\r\n\r\nok" + garbage)
    assert found == [200, 400]
    assert len(seen) == 1


def post(*lines: bytes) -> bytes:
    """Return a request with headers and five bytes after it."""
    return b"".join(
        [b"POST / HTTP/1.1\r\n", *(line + b"\r\n" for line in lines), b"\r\n", b"12345"]
    )


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (post(b"Host: a", b"Transfer-Encoding: gzip, chunked"), 501),
        (post(b"Host: a", b"Transfer-Encoding: identity, chunked"), 501),
        (post(b"Host: a", b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked"), 501),
        (post(b"Host: a", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), 501),
        (post(b"Host: a", b"Transfer-Encoding: xchunked"), 501),
        (post(b"Host: a", b"Transfer-Encoding: chunked", b"Content-Length: 5"), 400),
        (post(b"Host: a", b"Content-Length: 5", b"Transfer-Encoding: chunked"), 400),
        (post(b"Host: a", b"Content-Length: 5", b"Content-Length: 5"), 400),
        (post(b"Host: a", b"Content-Length: 5, 5"), 400),
        (post(b"Host: a", b"Content-Length: +5"), 400),
        (post(b"Host: a", b"Content-Length: 0x5"), 400),
        (post(b"Host: a", b"Content-Length: 5_0"), 400),
        (post(b"Host: a", b"Content-Length: 99999999999999999999"), 400),
        (post(b"Host: a", b"Content-Length : 5"), 400),
        (post(b"Host: a", b"X: y", b" folded: z"), 400),
        (post(b"Host: a", b"X: a\x00b"), 400),
        (post(b"Host: a", b"X: a\rb"), 400),
        (post(b"Host: a", b"X: a\nb: c"), 400),
        (post(b"Host: a", b": nameless"), 400),
        (b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET / RTSP/1.0\r\nHost: a\r\n\r\n", 400),
        (b"GET / ICE/1.0\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 400),
        (b"GET /\r\nHost: a\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (CHUNKED + b"+2\r\nab\r\n0\r\n\r\n", 400),
        (CHUNKED + b"0x2\r\nab\r\n0\r\n\r\n", 400),
        (CHUNKED + b" 2\r\nab\r\n0\r\n\r\n", 400),
        (CHUNKED + b"2 \r\nab\r\n0\r\n\r\n", 400),
        (CHUNKED + b"2\nab\r\n0\r\n\r\n", 400),
        (CHUNKED + b"2\r\nabc\r\n0\r\n\r\n", 400),
        (CHUNKED + b"2;a\nb\r\nab\r\n0\r\n\r\n", 400),
        (CHUNKED + b"ffffffffffffffff2\r\nab\r\n0\r\n\r\n", 400),
        (CHUNKED + b"2;" + b"x" * 5000 + b"\r\nab\r\n0\r\n\r\n", 400),
        (CHUNKED + b"2\r\nab\r\n0\r\nno trailer\r\n\r\n", 400),
        (CHUNKED + b"2\r\nab\r\n0\r\n" + b"a: b\r\n" * 5000 + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"v" * 100_000, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"v" * 100_000, 431),
        (b"GET /" + b"v" * 100_000, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a:\r\n" * 60_000 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a:\r\n" * 1000 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", 408),
    ],
)
async def test_what_cannot_be_framed_beyond_doubt_is_refused(content: bytes, status: int) -> None:
    found, seen = await answered(content)
    assert (found, seen) == ([status], [])


@pytest.mark.parametrize("host", [b"a", b"a:80", b"127.0.0.1:8000", b"[::1]:80", b"a_b.c-d"])
async def test_hosts(host: bytes) -> None:
    content = b"GET / HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n" % host
    assert (await answered(content))[0] == [200]


async def test_trailers_are_no_headers() -> None:
    content = CHUNKED[:-2] + b"Connection: close\r\n\r\n"
    content += b"2;x=y\r\nab\r\n0\r\nAuthorization: Bearer k\r\nX-Request-Id: t\r\n\r\n"
    found, seen = await answered(content)
    assert (found, seen) == ([200], [("POST", "/", b"ab", b"")])


@pytest.mark.parametrize("word", [b"100-continue", b"100-Continue", b"100-CONTINUE"])
async def test_a_client_that_waits_is_told_to_go_on(word: bytes) -> None:
    async with serving(recorder([])) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(POST + b"Expect: %b\r\nContent-Length: 2\r\n\r\n" % word)
        interim = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.close()


async def test_http_1_0_is_not_told_to_go_on() -> None:
    async with serving(recorder([])) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        await asyncio.sleep(0.05)
        writer.write(b"ok")
        assert (await asyncio.wait_for(reader.read(), 20)).startswith(b"HTTP/1.1 200")
        writer.close()


REQUESTS = (
    GET,
    b"\r\n" + GET,
    b"HEAD /h HTTP/1.1\r\nHost: x\r\n\r\n",
    POST + b"Content-Length: 0\r\n\r\n",
    POST + b"Content-Length: 40\r\n\r\n" + b"\r\n\r\nupgrade: x\r\nContent-Length: 3\r\n\r\n!!!",
    CHUNKED + b"0\r\n\r\n",
    CHUNKED + b'1\r\na\r\n0006;ext="x"\r\nb\r\n\r\nc\r\n0\r\nTrailer: y\r\n\r\n',
    POST + OFFER + b"Content-Length: 3\r\n\r\none",
)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_pipeline_gives_the_same_responses_however_it_is_cut(data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=5))
    content = b"".join(chosen) + GET[:-2] + b"Connection: close\r\n\r\n"
    places = data.draw(st.lists(st.integers(1, len(content) - 1), max_size=10))
    cuts = [0, *sorted(places), len(content)]
    pieces = [content[start:end] for start, end in pairwise(cuts)]

    async def both() -> None:
        whole, one = await exchange([content])
        cut, other = await exchange(pieces)
        assert statuses(whole) == statuses(cut) == [200] * (len(chosen) + 1)
        assert one == other

    asyncio.run(both())


MUTATIONS = (
    b"\r\n",
    b"\r",
    b"\n",
    b" ",
    b":",
    b"\x00",
    b";",
    b"0",
    b"5",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Upgrade: h2c\r\n",
    b"\t",
    b",",
    b"\xe9",
)


def mutated(rng: random.Random) -> bytes:
    """Return a pipeline with some faults."""
    content = bytearray(b"".join(rng.choices(REQUESTS, k=rng.randint(1, 3))))
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(content))
        match rng.randrange(3):
            case 0:
                content[place:place] = rng.choice(MUTATIONS)
            case 1:
                del content[place : place + rng.randint(1, 4)]
            case _:
                content[place] = rng.randrange(256)
    return bytes(content)


def seen_by_h11(content: bytes) -> list[bytes]:
    """Return the bodies of the requests that h11 finds in something."""
    bodies: list[bytes] = []
    while True:
        # Empty lines before a request are to be ignored (RFC 9112, section 2.2); h11 does not.
        while content.startswith(b"\r\n"):
            content = content[2:]
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(content)
        connection.receive_data(b"")
        body = b""
        try:
            while not isinstance(event := connection.next_event(), h11.EndOfMessage):
                if not isinstance(event, h11.Request | h11.Data):
                    return bodies
                body += bytes(event.data) if isinstance(event, h11.Data) else b""
        except h11.RemoteProtocolError:
            return bodies
        bodies.append(body)
        if connection.their_state is h11.MUST_CLOSE:
            return bodies
        content = connection.trailing_data[0]


async def test_no_more_requests_are_seen_than_h11_sees() -> None:
    rng = random.Random(20261201)
    seen: dict[int, list[bytes]] = {}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        mine: Seen = []
        await recorder(mine)(scope, receive, send)
        seen.setdefault(scope["client"][1], []).extend(request[2] for request in mine)

    async with serving(app, SHORT) as address:

        async def ours(content: bytes) -> list[bytes]:
            reader, writer = await asyncio.open_connection(*address)
            port = writer.get_extra_info("sockname")[1]
            seen.pop(port, None)
            writer.write(content)
            with suppress(ConnectionResetError, TimeoutError):
                # Some wait for more of a body, which never comes.
                await asyncio.wait_for(reader.read(), 0.5)
            writer.close()
            return seen.get(port, [])

        found = 0
        for _ in range(30):
            contents = [mutated(rng) for _ in range(100)]
            for content, bodies in zip(
                contents, await asyncio.gather(*map(ours, contents)), strict=True
            ):
                found += len(bodies)
                assert bodies == seen_by_h11(content)[: len(bodies)], content
    assert found > 1000


async def test_a_client_that_takes_nothing_is_cut_off_and_the_next_request_is_not_begun() -> None:
    begun = 0
    lost = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal begun
        begun += 1
        body = b"x" * 20_000_000
        await send({**START, "headers": [(b"content-length", b"%d" % len(body))]})
        await send(piece_of(body, more=False))
        lost.set()

    async with serving(app, SHORT) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(GET * 6)
        await asyncio.wait_for(lost.wait(), 20)
        transport = cast("asyncio.Transport", writer.transport)
        transport.pause_reading()
        await asyncio.sleep(1.0)
        transport.resume_reading()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await asyncio.wait_for(reader.readexactly(6 * 20_000_000), 20)
        writer.close()
    assert begun == 1


async def test_a_stream_that_nobody_reads_ends() -> None:
    left = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        async with asyncio.timeout(20):
            watcher = asyncio.ensure_future(receive_until_left(receive, left))
            while not left.is_set():
                await send(piece_of(b"x" * 100_000, more=True))
                await asyncio.sleep(0)
            await watcher

    async with serving(app, SHORT) as address:
        _, writer = await asyncio.open_connection(*address)
        cast("asyncio.Transport", writer.transport).pause_reading()
        writer.write(GET)
        await asyncio.wait_for(left.wait(), 20)
        writer.close()


async def receive_until_left(receive: Receive, left: asyncio.Event) -> None:
    """Wait until the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    left.set()


async def test_idle_clients_make_room_for_new_ones() -> None:
    seen: Seen = []
    async with serving(recorder(seen), ConnectionLimits(connections=5)) as address:
        idle = [await asyncio.open_connection(*address) for _ in range(20)]
        for _ in range(3):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(GET)
            assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)).startswith(
                b"HTTP/1.1 200"
            )
            writer.close()
        for _, writer in idle:
            writer.close()


async def test_clients_at_work_are_not_closed_for_new_ones() -> None:
    go_on = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await go_on.wait()
        await send({**START, "headers": [(b"content-length", b"0")]})
        await send(piece_of(b"", more=False))

    async with serving(app, ConnectionLimits(connections=2)) as address:
        busy = [await asyncio.open_connection(*address) for _ in range(2)]
        for _, writer in busy:
            writer.write(GET)
        await asyncio.sleep(0.1)
        reader, writer = await asyncio.open_connection(*address)
        assert (await asyncio.wait_for(reader.read(), 20)).startswith(b"HTTP/1.1 503")
        writer.close()
        go_on.set()
        for reader, writer in busy:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
            assert head.startswith(b"HTTP/1.1 200")
            writer.close()
