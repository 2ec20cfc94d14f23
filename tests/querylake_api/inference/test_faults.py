"""Every way in which an engine can fail, and exactly what its caller gets: whole, and as a stream.

One engine, so that nothing is mended by another one; `test_failover` has two.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from llm_provider_testing.scripted_engine import Exchange, Script, ScriptedEngine
from querylake_api_testing.running import RunningApi, running_api, write_config

PATH = "/v1/chat/completions"

_CUT = "The engine of 'm' ended the answer before it was complete."
_SILENT = "The engine of 'm' did not answer in time (first byte timeout after 1 s)."
_IDLE = "The engine of 'm' did not answer in time (idle timeout after 1 s)."
_NONSENSE = "The engine of 'm' sent something that is not an answer."
_FAILED = "The engine of 'm' failed on this request."


@pytest.fixture
async def api(
    tmp_path: Path, database_url: str, engine: ScriptedEngine, patience: float
) -> AsyncIterator[RunningApi]:
    config = write_config(
        tmp_path,
        database=database_url,
        breaker={"failures": 1000},
        retry={"max_attempts": 1},
        upstreams={
            "engine": {
                "base_url": engine.url,
                "timeouts": {"connect": 60.0, "first_byte": patience, "idle": patience},
            }
        },
        models={"m": {"capabilities": ["chat"], "targets": [{"upstream": "engine", "model": "M"}]}},
    )
    async with running_api(config) as running:
        yield running


@dataclass(frozen=True)
class Told:
    """What the caller gets: a status, and an error or a whole answer."""

    status: int
    code: str | None = None
    message: str | None = None


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
CHUNKED = STREAM + b"transfer-encoding: chunked\r\n\r\n"
WHOLE = b'{"object":"chat.completion","model":"M","choices":[]}'


def raw(*pieces: bytes, end: str = "hang up") -> Script:
    """Return a script that sends bytes as they are, and ends in one way or another."""

    async def script(exchange: Exchange) -> None:
        for piece in pieces:
            await exchange.raw(piece)
        if end == "hang up":
            exchange.hang_up()
        elif end == "reset":
            exchange.reset()
        else:
            await exchange.caller_gone()

    return script


async def drip(exchange: Exchange) -> None:
    """Send an answer a byte at a time, each well before the idle timeout."""
    await exchange.raw(HEAD + b"content-length: %d\r\n\r\n" % len(WHOLE))
    for byte in WHOLE:
        await exchange.raw(bytes([byte]))
        await asyncio.sleep(0.001)


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


LONG = b'{"model":"M","text":"' + b"x" * 5_000_000 + b'"}'

HANGS_BEFORE_THE_FIRST_BYTE: list[tuple[str, Script, Told]] = [
    ("hangs", raw(end="wait"), Told(504, "upstream_timeout", _SILENT)),
    (
        "hangs within the head",
        raw(b"HTTP/1.1 200", end="wait"),
        Told(504, "upstream_timeout", _SILENT),
    ),
    ("hangs after the head", raw(HEAD + b"content-length: 9\r\n\r\n", end="wait"), Told(504)),
]
BEFORE_THE_FIRST_BYTE: list[tuple[str, Script, Told]] = [
    ("hangs up", raw(), Told(502, "upstream_interrupted", _CUT)),
    ("resets", raw(end="reset"), Told(502, "upstream_interrupted", _CUT)),
    ("is cut within the head", raw(HEAD), Told(502, "upstream_interrupted", _CUT)),
    (
        "has less than it said",
        raw(HEAD + b"content-length: 100\r\n\r\n{"),
        Told(502, "upstream_interrupted", _CUT),
    ),
    (
        "is reset within the body",
        raw(HEAD + b"content-length: 100\r\n\r\n{", end="reset"),
        Told(502, "upstream_interrupted", _CUT),
    ),
    (
        "is reset within its first event",
        raw(CHUNKED + b"5\r\ndata:", end="reset"),
        Told(502, "upstream_interrupted", _CUT),
    ),
    (
        "ends within a chunk",
        raw(HEAD + b"transfer-encoding: chunked\r\n\r\n50\r\n{"),
        Told(502, "upstream_interrupted", _CUT),
    ),
    (
        "has chunks that are none",
        raw(HEAD + b"transfer-encoding: chunked\r\n\r\nlarge\r\n{"),
        Told(502),
    ),
    ("is no engine", raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), Told(502, "upstream_failed", _FAILED)),
    (
        "says two lengths",
        raw(HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}"),
        Told(502, "upstream_failed", _FAILED),
    ),
    (
        "says a length that is none",
        raw(HEAD + b"content-length: many\r\n\r\n{}"),
        Told(502, "upstream_failed", _FAILED),
    ),
    (
        "is a page",
        raw(b"HTTP/1.1 500 X\r\ncontent-length: 17\r\n\r\n<h1>C:\\vllm</h1>\n"),
        Told(502, "upstream_failed", _FAILED),
    ),
    (
        "is a page of success",
        raw(b"HTTP/1.1 200 X\r\ncontent-length: 6\r\n\r\n<html>"),
        Told(502, "upstream_invalid_response", _NONSENSE),
    ),
    (
        "is busy",
        raw(b"HTTP/1.1 429 X\r\nretry-after: 3\r\ncontent-length: 4\r\n\r\nbusy"),
        Told(429),
    ),
    (
        "says nothing",
        raw(HEAD + b"content-length: 0\r\n\r\n"),
        Told(502, "upstream_invalid_response", _NONSENSE),
    ),
    (
        # Where one answer ends and the next begins must never be a guess.
        "has more than it said",
        raw(HEAD + b"content-length: 2\r\n\r\n{}{}{}"),
        Told(502, "upstream_failed", _FAILED),
    ),
    ("drips", drip, Told(200)),
    (
        "says that it goes on",
        raw(b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"content-length: 2\r\n\r\n{}"),
        Told(200),
    ),
    ("is long", raw(HEAD + b"content-length: %d\r\n\r\n" % len(LONG), LONG), Told(200)),
    (
        "comes in chunks",
        raw(HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunked(WHOLE[:9], WHOLE[9:])),
        Told(200),
    ),
    ("has no length", raw(HEAD + b"\r\n" + WHOLE), Told(200)),
]


@pytest.mark.parametrize(
    ("faults", "patience"), [(BEFORE_THE_FIRST_BYTE, 60.0), (HANGS_BEFORE_THE_FIRST_BYTE, 1.0)]
)
async def test_before_the_client_has_anything(
    api: RunningApi,
    engine: ScriptedEngine,
    subtests: pytest.Subtests,
    faults: list[tuple[str, Script, Told]],
) -> None:
    for name, script, told in faults:
        for stream in (False, True):
            with subtests.test(engine=name, stream=stream):
                engine.script = script
                response = await api.post(PATH, {"model": "m", "messages": [], "stream": stream})
                if stream and told.status == 200:
                    # A whole answer is none for whoever reads events.
                    assert response.status_code == 502
                    continue
                assert response.status_code == told.status
                assert response.headers["x-request-id"]
                document = response.json()
                if told.status == 200:
                    assert document.get("model", "m") == "m"
                    continue
                error = document["error"]
                assert set(error) == {"message", "type", "param", "code"}
                assert told.code in (None, error["code"])
                assert told.message in (None, error["message"])
                assert "vllm" not in response.text
                if told.status == 429:
                    assert response.headers["retry-after"] == "3"


def sse(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    chunk = {"id": "c", "model": "M", "choices": [choice]}
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


ONE = sse("one")
WATER = sse("💧 wörter")
LAST = sse(" two", "stop")
DONE = b"data: [DONE]\n\n"
HUGE = sse("x" * 3_000_000)
NO_LENGTH = STREAM + b"\r\n"


async def drip_events(exchange: Exchange) -> None:
    await exchange.raw(NO_LENGTH)
    for byte in WATER + LAST + DONE:
        await exchange.raw(bytes([byte]))
        await asyncio.sleep(0.001)
    exchange.hang_up()


def _pieces(content: bytes, size: int) -> list[bytes]:
    return [content[start : start + size] for start in range(0, len(content), size)]


# What the engine does; what has reached the client before the end; the message at the end, None if
# the end is a good one; the outcome that is recorded.
Course = tuple[str, Script, bytes, str | None, str]

HANGS_WITHIN_A_STREAM: list[Course] = [
    ("hangs", raw(NO_LENGTH + ONE, end="wait"), ONE, _IDLE, "upstream_error"),
    ("hangs within an event", raw(NO_LENGTH + ONE + b"data: {", end="wait"), ONE, _IDLE, ""),
]
WITHIN_A_STREAM: list[Course] = [
    ("is good", raw(NO_LENGTH + ONE + LAST + DONE), ONE + LAST + DONE, None, "success"),
    ("drips", drip_events, WATER + LAST + DONE, None, "success"),
    (
        "splits characters",
        raw(CHUNKED, chunked(*_pieces(WATER + LAST + DONE, 3))),
        WATER + LAST + DONE,
        None,
        "success",
    ),
    ("has a huge event", raw(NO_LENGTH, HUGE, LAST, DONE), HUGE + LAST + DONE, None, "success"),
    (
        "lacks the last line end",
        raw(NO_LENGTH + ONE + LAST + DONE.rstrip()),
        ONE + LAST + DONE,
        None,
        "success",
    ),
    ("hangs up", raw(NO_LENGTH + ONE), ONE, _CUT, "truncated"),
    ("hangs up within a chunk", raw(CHUNKED + b"ffff\r\n" + ONE), ONE, _CUT, "truncated"),
    ("hangs up within an event", raw(NO_LENGTH + ONE + ONE[:20]), ONE, _CUT, "truncated"),
    ("stops before the end", raw(CHUNKED, chunked(ONE, LAST)), ONE + LAST, _CUT, "truncated"),
    ("has less than it said", raw(STREAM + b"content-length: 999\r\n\r\n" + ONE), ONE, _CUT, ""),
    (
        "talks nonsense",
        raw(NO_LENGTH + ONE + b"data: nonsense\n\n" + LAST + DONE),
        ONE + b"data: nonsense\n\n" + LAST + DONE,
        None,
        "upstream_error",
    ),
    (
        "says no reason for its end",
        raw(NO_LENGTH + ONE + DONE),
        ONE + DONE,
        None,
        "success",
    ),
]


@pytest.mark.parametrize(
    ("courses", "patience"), [(WITHIN_A_STREAM, 60.0), (HANGS_WITHIN_A_STREAM, 1.0)]
)
async def test_when_the_client_has_something(
    api: RunningApi, engine: ScriptedEngine, subtests: pytest.Subtests, courses: list[Course]
) -> None:
    for name, script, sent, message, _ in courses:
        with subtests.test(engine=name):
            engine.script = script
            response = await api.post(PATH, {"model": "m", "messages": [], "stream": True})
            assert response.status_code == 200
            assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
            sent = sent.replace(b'"model": "M"', b'"model": "m"')
            assert response.content[: len(sent)] == sent
            last = response.content[len(sent) :]
            if message is None:
                assert last == b""
            else:
                assert last.startswith(b"data: ")
                assert last.endswith(b"\n\n")
                assert json.loads(last[6:])["error"]["message"] == message
    lines = [line for line in api.log_lines() if line["event"] == "request"]
    for (name, *_, outcome), line in zip(courses, lines, strict=True):
        assert outcome in ("", line["outcome"]), name


async def reconfigured(api: RunningApi, config: Path, old: str, new: str) -> None:
    """Have the configuration with one text in another's place."""
    text = config.read_text(encoding="utf-8")
    assert old in text
    config.write_text(text.replace(old, new), encoding="utf-8")
    answer = await api.client.post("/admin/config/reload", headers=api.headers(api.admin_key))
    assert answer.json()["changed"] is True


async def test_nobody_there(api: RunningApi, engine: ScriptedEngine, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
    unseen = f'"{nobody}"\nactive_health = false'
    await reconfigured(api, tmp_path / "querylake.toml", f'"{engine.url}"', unseen)
    response = await api.post(PATH, {"model": "m", "messages": []})
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    error = response.json()["error"]
    assert (error["type"], error["code"]) == ("upstream_error", "upstream_unavailable")
    assert error["message"] == "The engine of 'm' cannot be reached. Try again shortly."


async def test_a_host_that_swallows_every_packet(
    api: RunningApi, engine: ScriptedEngine, tmp_path: Path
) -> None:
    config = tmp_path / "querylake.toml"
    unseen = f'"{engine.url}"\nactive_health = false'
    await reconfigured(api, config, f'"{engine.url}"', unseen)
    await reconfigured(api, config, "connect = 60.0", "connect = 0.5")
    engine.swallow()
    for stream in (False, True):
        response = await api.post(PATH, {"model": "m", "messages": [], "stream": stream})
        assert response.status_code == 504
        error = response.json()["error"]
        assert (error["type"], error["code"]) == ("upstream_error", "upstream_timeout")
        assert error["message"] == (
            "The engine of 'm' did not answer in time (connect timeout after 0.5 s)."
        )
