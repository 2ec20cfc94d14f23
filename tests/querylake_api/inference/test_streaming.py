"""Streams: every event as it comes, and an end that tells how it went."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine
from querylake_api_testing.running import RunningApi

STREAM = {"model": "default", "messages": [], "stream": True}


@asynccontextmanager
async def streamed(api: RunningApi) -> AsyncIterator[httpx.Response]:
    async with api.client.stream(
        "POST", "/v1/chat/completions", json=STREAM, headers=api.headers()
    ) as response:
        yield response


async def whole_stream(api: RunningApi) -> bytes:
    """Return a stream that HTTP says is complete."""
    async with streamed(api) as response:
        assert response.status_code == 200
        return await response.aread()


def events(stream: bytes) -> list[str]:
    assert stream.endswith(b"\n\n")
    return [event.removeprefix("data: ") for event in stream.decode().strip().split("\n\n")]


def last_error(stream: bytes) -> dict[str, object]:
    """Return the error at a stream's end."""
    assert "[DONE]" not in events(stream)
    document = json.loads(events(stream)[-1])
    assert list(document) == ["error"]
    assert set(document["error"]) == {"message", "type", "param", "code"}
    error: dict[str, object] = document["error"]
    return error


def outcome(api: RunningApi) -> tuple[object, object]:
    [line] = [line for line in api.log_lines() if line["event"] == "request"]
    return line["outcome"], line["error"]


@pytest.mark.usefixtures("_any_server")
async def test_a_stream_as_clients_expect_it(api: RunningApi) -> None:
    async with streamed(api) as response:
        body = await response.aread()
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["x-request-id"]
    *chunks, done = events(body)
    assert done == "[DONE]"
    texts = [json.loads(chunk)["choices"][0]["delta"]["content"] for chunk in chunks]
    assert "".join(texts) == "one two three"
    assert {json.loads(chunk)["model"] for chunk in chunks} == {"default"}
    assert outcome(api) == ("success", None)


@pytest.mark.usefixtures("_any_server")
async def test_each_event_goes_out_before_the_next_comes_in(
    api: RunningApi, engine: ScriptedEngine
) -> None:
    seen = asyncio.Semaphore(0)

    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for number in range(5):
            await exchange.token(str(number))
            await seen.acquire()
        await exchange.end_stream()

    engine.script = script
    async with streamed(api) as response:
        arrived = 0
        async for piece in response.aiter_bytes():
            arrived += piece.count(b'"content"')
            seen.release()
    assert arrived == 5


async def test_a_stream_that_begins_with_half_an_event_has_begun(
    api: RunningApi, engine: ScriptedEngine
) -> None:
    begun = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.piece(b'data: {"choices":[{"delta":{"con')
        await begun.wait()
        await exchange.piece(b'tent":"late"},"finish_reason":"stop"}]}\n\n')
        await exchange.end_stream()

    engine.script = script
    async with streamed(api) as response:
        assert response.status_code == 200
        begun.set()
        assert len(events(await response.aread())) == 2


async def test_bytes_pass_unchanged_but_for_the_model(
    api: RunningApi, engine: ScriptedEngine
) -> None:
    stream = (
        b': ping\r\n\r\nevent: x\ndata: {"model": "Real/Chatty-7B", "n": 1e2, "t": "\\u00e9"}\n\n'
        b'data: {"choices":[{"delta":{"content":"say \\"model\\": \xf0\x9f\x92\xa7"}}],'
        b'"model":"Real/Chatty-7B","new":[1.0]}\n\ndata: [DONE]\n\n'
    )

    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for byte in stream:
            await exchange.piece(bytes([byte]))
        await exchange.end_stream(done=False)

    engine.script = script
    expected = stream.replace(b'"Real/Chatty-7B"', b'"default"')
    assert await whole_stream(api) == expected


@pytest.mark.usefixtures("_any_server")
async def test_an_engine_that_dies_mid_event(api: RunningApi, engine: ScriptedEngine) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.token("one")
        await exchange.piece(b'data: {"choices":[{"delta":{"cont')
        exchange.hang_up()

    engine.script = script
    stream = await whole_stream(api)
    first = json.loads(events(stream)[0])
    assert first["choices"][0]["delta"]["content"] == "one"
    error = last_error(stream)
    assert (error["type"], error["code"]) == ("upstream_error", "upstream_interrupted")
    assert len(events(stream)) == 2
    assert outcome(api) == ("truncated", "upstream_interrupted")


async def test_an_engine_that_ends_without_saying_done(
    api: RunningApi, engine: ScriptedEngine
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.token("one")
        await exchange.end_stream(done=False)

    engine.script = script
    assert last_error(await whole_stream(api))["code"] == "upstream_interrupted"
    assert outcome(api) == ("truncated", "upstream_interrupted")


@pytest.mark.parametrize("patience", [0.5])
async def test_an_engine_that_falls_silent(api: RunningApi, engine: ScriptedEngine) -> None:
    gone = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.token("one")
        await exchange.caller_gone()
        gone.set()

    engine.script = script
    error = last_error(await whole_stream(api))
    assert error["code"] == "upstream_timeout"
    assert "idle timeout after 0.5 s" in str(error["message"])
    await asyncio.wait_for(gone.wait(), 60)
    assert outcome(api) == ("upstream_error", "upstream_timeout")


async def test_an_error_among_the_events_is_passed_on_and_noted(
    api: RunningApi, engine: ScriptedEngine
) -> None:
    # What vLLM sends when its engine core dies: an error, and then `[DONE]` as if all were well.
    told = b'data: {"error": {"message": "EngineCore", "type": "BadRequestError", "code": 400}}\n\n'

    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.token("one")
        await exchange.piece(told)
        await exchange.end_stream()

    engine.script = script
    assert (await whole_stream(api)).endswith(told + b"data: [DONE]\n\n")
    assert outcome(api)[0] == "in_band_error"


async def test_an_engine_that_does_not_stream(api: RunningApi, engine: ScriptedEngine) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.whole({"object": "chat.completion", "model": "x", "choices": []})

    engine.script = script
    async with streamed(api) as response:
        # A client that reads events would see none in a document, and no error.
        assert response.status_code == 502
        error = json.loads(await response.aread())["error"]
        assert error["code"] == "upstream_invalid_response"


async def test_many_streams_at_once(api: RunningApi) -> None:
    streams = await asyncio.gather(*(whole_stream(api) for _ in range(40)))
    assert all(events(stream)[-1] == "[DONE]" for stream in streams)
    lines = [line for line in api.log_lines() if line["event"] == "request"]
    assert [line["outcome"] for line in lines] == ["success"] * 40


async def test_a_stream_that_ends_before_it_began(api: RunningApi, engine: ScriptedEngine) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.end_stream(done=False)

    engine.script = script
    async with streamed(api) as response:
        assert response.status_code == 502
        assert json.loads(await response.aread())["error"]["code"] == "upstream_interrupted"
