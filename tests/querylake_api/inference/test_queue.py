"""A model with a limit: its line is bounded in length and in time, and clients may leave it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine, completion
from querylake_api_testing.client import Client
from querylake_api_testing.running import RunningApi, running_api, write_config
from waiting_testing.waiting import eventually

CHAT: dict[str, object] = {"model": "m", "messages": []}


class Held:
    """An engine that answers when it is told to."""

    def __init__(self, engine: ScriptedEngine) -> None:
        self.engine = engine
        self._answer = asyncio.Semaphore(0)
        engine.script = self._script

    async def _script(self, exchange: Exchange) -> None:
        request = exchange.request.json()
        if request.get("stream"):
            await exchange.begin_stream()
            await exchange.token("one")
            await self._answer.acquire()
            await exchange.token(" two", finish_reason="stop")
            await exchange.end_stream()
        else:
            await self._answer.acquire()
            await exchange.whole(completion(request["model"]))

    def let_go(self, count: int = 1) -> None:
        for _ in range(count):
            self._answer.release()

    async def has(self, count: int) -> None:
        """Wait until that many requests have come to it."""
        await eventually(lambda: len(self.engine.requests) >= count, pause=0.005)


async def waiting(api: RunningApi, count: int) -> None:
    """Wait until that many requests are in the API, whether with the engine or in the line."""
    wanted = f"querylake_requests_in_flight {count + 1}.0"  # with the one that asks
    await eventually(lambda: api.client.get("/metrics"), lambda told: wanted in told.text)


@pytest.fixture
def held(engine: ScriptedEngine) -> Held:
    return Held(engine)


@pytest.fixture
async def api(tmp_path: Path, database_url: str, held: Held) -> AsyncIterator[RunningApi]:
    model = {"capabilities": ["chat"], "max_concurrency": 1, "max_queue": 1}
    target = {"upstream": "engine", "model": "M"}
    config = write_config(
        tmp_path,
        database=database_url,
        upstreams={"engine": {"base_url": held.engine.url}},
        models={
            "m": {**model, "queue_timeout_seconds": 60.0, "targets": [target]},
            "hasty": {**model, "queue_timeout_seconds": 0.2, "targets": [target]},
        },
    )
    async with running_api(config) as running:
        yield running


def ask(api: RunningApi, **fields: object) -> asyncio.Task[httpx.Response]:
    return asyncio.create_task(api.post("/v1/chat/completions", {**CHAT, **fields}))


async def test_one_runs_one_waits_and_one_is_turned_away(api: RunningApi, held: Held) -> None:
    first = ask(api)
    await held.has(1)
    second = ask(api)
    await waiting(api, 2)
    refused = await ask(api)
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    error = refused.json()["error"]
    assert (error["type"], error["code"]) == ("rate_limit_error", "queue_full")
    assert len(held.engine.requests) == 1
    held.let_go()
    assert (await first).status_code == 200
    await held.has(2)
    held.let_go()
    assert (await second).status_code == 200
    lines = [line for line in api.log_lines() if line.get("path", "").startswith("/v1/")]
    assert [line["outcome"] for line in lines] == ["client_error", "success", "success"]
    assert lines[2]["queued_seconds"] > lines[1]["queued_seconds"]


async def test_a_stream_keeps_its_place_until_its_last_byte(api: RunningApi, held: Held) -> None:
    streaming = ask(api, stream=True)
    await held.has(1)
    second = ask(api)
    await waiting(api, 2)
    assert len(held.engine.requests) == 1
    held.let_go()
    assert (await streaming).text.endswith("data: [DONE]\n\n")
    await held.has(2)
    held.let_go()
    assert (await second).status_code == 200


async def test_nobody_waits_without_end(api: RunningApi, held: Held) -> None:
    first = ask(api, model="hasty")
    await held.has(1)
    refused = await ask(api, model="hasty")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert refused.json()["error"]["code"] == "queue_timeout"
    held.let_go()
    assert (await first).status_code == 200
    assert len(held.engine.requests) == 1


async def test_who_leaves_the_line_frees_a_place_and_never_reaches_the_engine(
    api: RunningApi, held: Held
) -> None:
    first = ask(api)
    await held.has(1)
    leaver = Client(api)
    await leaver.connect()
    await leaver.send(CHAT)
    await waiting(api, 2)
    leaver.leave()
    await waiting(api, 1)
    third = ask(api)
    await waiting(api, 2)
    held.let_go(2)
    assert [(await each).status_code for each in (first, third)] == [200, 200]
    assert len(held.engine.requests) == 2
    lines = [line for line in api.log_lines() if line.get("path", "").startswith("/v1/")]
    assert [line["outcome"] for line in lines] == ["client_abort", "success", "success"]


async def test_who_leaves_the_engine_lets_the_next_one_in(api: RunningApi, held: Held) -> None:
    leaver = Client(api)
    await leaver.connect()
    await leaver.send(CHAT)
    await held.has(1)
    second = ask(api)
    await waiting(api, 2)
    leaver.leave()
    await held.has(2)
    held.let_go(2)
    assert (await second).status_code == 200
