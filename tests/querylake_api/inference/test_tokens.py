"""Tokens are counted for every stream, and a client sees no more of it than it asked for."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine
from querylake_api_testing.running import RunningApi, running_api

STREAM = {"model": "default", "messages": [], "stream": True}


async def streamed(api: RunningApi, **options: object) -> bytes:
    answer = await api.post("/v1/chat/completions", {**STREAM, **options})
    assert answer.status_code == 200
    return answer.content


def request_line(api: RunningApi) -> dict[str, Any]:
    [line] = [line for line in api.log_lines() if line["event"] == "request"]
    return line


async def test_the_engine_is_asked_and_the_client_is_not_told(
    api: RunningApi, engine: ScriptedEngine
) -> None:
    stream = await streamed(api)
    assert b"usage" not in stream
    assert stream.endswith(b'"finish_reason": "stop"}]}\n\ndata: [DONE]\n\n')
    sent = engine.requests[-1].json()
    assert sent.pop("stream_options") == {"include_usage": True}
    assert sent == {**STREAM, "model": "Real/Chatty-7B"}
    line = request_line(api)
    assert (line["prompt_tokens"], line["completion_tokens"]) == (3, 3)
    assert line["first_token_seconds"] > 0


async def test_a_client_that_asks_gets_what_the_engine_sends(
    api: RunningApi, engine: ScriptedEngine
) -> None:
    options = {"include_usage": True, "continuous_usage_stats": True}
    stream = await streamed(api, stream_options=options)
    assert engine.requests[-1].json()["stream_options"] == options
    *_, usage, done, _ = stream.split(b"\n\n")
    assert json.loads(usage.removeprefix(b"data: "))["usage"]["total_tokens"] == 6
    assert done == b"data: [DONE]"
    assert request_line(api)["completion_tokens"] == 3


async def test_counts_in_every_chunk_pass_through(api: RunningApi, engine: ScriptedEngine) -> None:
    counted = (
        b'data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}],'
        b'"usage":{"prompt_tokens":37,"total_tokens":38,"completion_tokens":1}}\n\n'
    )

    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.piece(counted)
        await exchange.end_stream()

    engine.script = script
    assert await streamed(api) == counted + b"data: [DONE]\n\n"
    line = request_line(api)
    assert (line["prompt_tokens"], line["completion_tokens"]) == (37, 1)


async def test_an_engine_that_refuses_the_option_is_not_asked(
    config_file: Path, engine: ScriptedEngine
) -> None:
    section = '[upstreams."engine"]\n'
    config = config_file.read_text().replace(section, section + "stream_usage = false\n")
    config_file.write_text(config)
    async with running_api(config_file) as api:
        await streamed(api)
        assert "stream_options" not in engine.requests[-1].json()
        line = request_line(api)
    assert (line["prompt_tokens"], line["completion_tokens"]) == (None, None)


@pytest.mark.parametrize(
    ("path", "model", "usage", "told"),
    [
        ("/v1/chat/completions", "default", {"prompt_tokens": 3, "completion_tokens": 4}, (3, 4)),
        ("/v1/embeddings", "embedder", {"prompt_tokens": 9, "total_tokens": 9}, (9, None)),
        ("/v1/rerank", "embedder", {"total_tokens": 31}, (31, None)),
        ("/v1/rerank", "embedder", None, (None, None)),
    ],
)
async def test_whole_answers_tell_it_themselves(
    api: RunningApi,
    engine: ScriptedEngine,
    path: str,
    model: str,
    usage: object,
    told: tuple[int | None, int | None],
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.whole({"model": "x", "data": [], "usage": usage})

    engine.script = script
    assert (await api.post(path, {"model": model, "input": ["x"]})).status_code == 200
    line = request_line(api)
    assert (line["prompt_tokens"], line["completion_tokens"]) == told


async def test_the_pause_that_a_client_had_to_wait_for(
    api: RunningApi, engine: ScriptedEngine
) -> None:
    arrived = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.token("one")
        await arrived.wait()
        await asyncio.sleep(0.2)
        await exchange.token(" two", finish_reason="stop")
        await exchange.end_stream()

    engine.script = script
    async with api.client.stream(
        "POST", "/v1/chat/completions", json=STREAM, headers=api.headers()
    ) as response:
        async for _ in response.aiter_bytes():
            arrived.set()
    line = request_line(api)
    assert line["gap_p95_seconds"] >= 0.18
    assert line["gap_p95_seconds"] <= line["seconds"] * 1.05
