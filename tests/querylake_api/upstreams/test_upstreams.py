"""Engines that are watched: out of rotation when they are not well, and back by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from llm_provider_testing.scripted_engine import (
    Exchange,
    ScriptedEngine,
    in_two_parts,
    scripted_engine,
)
from querylake_api_testing.running import RunningApi, running_api, write_config
from waiting_testing.waiting import eventually

CHAT = {"model": "m", "messages": []}


class Watched:
    """An engine and its supervisor, which say what a test tells them to.

    Attributes:
        health: the status of its health endpoint; None for silence.
        metrics: what its metrics say; None for 404.
        runtime: what its supervisor says; None if it has nothing to say.
    """

    def __init__(self, engine: ScriptedEngine, supervisor: ScriptedEngine) -> None:
        self.engine = engine
        self.supervisor = supervisor
        self.health: int | None = 200
        self.metrics: str | None = None
        self.runtime: dict[str, object] | None = None
        engine.probe_script = supervisor.probe_script = self._answer

    async def _answer(self, exchange: Exchange) -> None:
        path = exchange.request.path
        if path == "/health" and self.health is None:
            await exchange.caller_gone()
        elif path == "/health":
            await exchange.whole(b"", status=self.health or 0)
        elif path == "/metrics" and self.metrics is not None:
            await exchange.whole(self.metrics.encode(), content_type="text/plain")
        elif path == "/runtime/status" and self.runtime is not None:
            await exchange.whole(self.runtime)
        else:
            await exchange.whole({"detail": "Not Found"}, status=404)


@pytest.fixture
async def watched(engine: ScriptedEngine) -> AsyncIterator[Watched]:
    async with scripted_engine() as supervisor:
        yield Watched(engine, supervisor)


@pytest.fixture
def look_seconds() -> float:
    """Give the seconds that a look may take: more than a busy machine ever needs."""
    return 60.0


@pytest.fixture
async def api(
    tmp_path: Path, database_url: str, watched: Watched, look_seconds: float
) -> AsyncIterator[RunningApi]:
    runtime_url = watched.supervisor.url.removesuffix("/v1")
    config = write_config(
        tmp_path,
        database=database_url,
        health={
            "interval_seconds": 0.2,
            "timeout_seconds": look_seconds,
            "stall_seconds": 0.5,
        },
        upstreams={
            "engine": {"base_url": watched.engine.url, "runtime_url": runtime_url},
            "unwatched": {"base_url": "http://127.0.0.1:1/v1", "active_health": False},
        },
        models={
            "m": {
                "capabilities": ["chat"],
                "targets": [{"upstream": "engine", "model": "M"}],
            },
            "n": {
                "capabilities": ["chat"],
                "targets": [
                    {"upstream": "engine", "model": "N"},
                    {"upstream": "unwatched", "model": "N", "role": "candidate"},
                ],
            },
        },
    )
    async with running_api(config) as running:
        yield running


async def upstream(api: RunningApi, name: str = "engine") -> dict[str, Any]:
    response = await api.get("/admin/upstreams", key=api.admin_key)
    assert response.status_code == 200
    [found] = [each for each in response.json()["data"] if each["name"] == name]
    assert isinstance(found, dict)
    return found


async def becomes(api: RunningApi, condition: str) -> dict[str, Any]:
    """Wait until the engine is in a condition."""
    return await eventually(lambda: upstream(api), lambda state: state["condition"] == condition)


async def status_of_a_chat(api: RunningApi) -> tuple[int, str | None]:
    response = await api.post("/v1/chat/completions", CHAT)
    return response.status_code, response.json().get("error", {}).get("code")


async def test_what_is_listed(api: RunningApi) -> None:
    engine = await upstream(api)
    assert engine["models"] == [{"id": "m", "stack": "stable"}, {"id": "n", "stack": "stable"}]
    assert (engine["condition"], engine["detail"]) == ("up", "status 200")
    assert (engine["in_rotation"], engine["breaker"]) == (True, "closed")
    assert (engine["outstanding"], engine["restarts"], engine["last_exit"]) == (0, 0, None)
    unwatched = await upstream(api, "unwatched")
    assert unwatched["models"] == [{"id": "n", "stack": "candidate"}]
    assert (unwatched["condition"], unwatched["in_rotation"]) == ("unknown", True)
    assert (await api.get("/admin/upstreams")).status_code == 403


async def test_an_engine_that_says_it_is_ill(api: RunningApi, watched: Watched) -> None:
    watched.health = 503
    state = await becomes(api, "down")
    assert (state["detail"], state["in_rotation"]) == ("status 503", False)
    assert await status_of_a_chat(api) == (503, "upstream_unavailable")
    assert watched.engine.requests == []
    ready = await api.client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["upstreams"]["engine"]["state"] == "down"
    watched.health = 200
    await becomes(api, "up")
    assert await status_of_a_chat(api) == (200, None)
    warnings = [line["event"] for line in api.log_lines() if line["level"] == "warning"]
    assert "upstream engine is down: status 503" in warnings


@pytest.mark.parametrize("look_seconds", [0.5])
async def test_an_engine_that_does_not_answer_looks(api: RunningApi, watched: Watched) -> None:
    watched.health = None
    assert (await becomes(api, "down"))["detail"] == "no answer in time"


def vllm_metrics(*, running: int, tokens: int, started: float = 1000.0) -> str:
    return (
        f'vllm:num_requests_running{{engine="0"}} {running}.0\n'
        'vllm:num_requests_waiting{engine="0"} 0.0\n'
        f'vllm:generation_tokens_total{{engine="0"}} {tokens}.0\n'
        f"process_start_time_seconds {started}\n"
    )


async def test_an_engine_that_is_well_and_does_nothing(api: RunningApi, watched: Watched) -> None:
    watched.metrics = vllm_metrics(running=2, tokens=7)
    state = await becomes(api, "stalled")
    assert state["in_rotation"] is False
    assert (state["requests_running"], state["tokens_total"]) == (2, 7)
    assert state["stalled_seconds"] >= 0.5
    assert await status_of_a_chat(api) == (503, "upstream_unavailable")
    watched.metrics = vllm_metrics(running=0, tokens=9)
    await becomes(api, "up")


async def test_an_engine_that_was_started_anew(api: RunningApi, watched: Watched) -> None:
    watched.metrics = vllm_metrics(running=0, tokens=7)
    await eventually(lambda: upstream(api), lambda state: state["tokens_total"] == 7)
    watched.metrics = vllm_metrics(running=0, tokens=0, started=2000.0)
    state = await eventually(lambda: upstream(api), lambda state: state["restarts"] == 1)
    assert state["last_restart_at"] is not None


async def test_what_the_supervisor_says(api: RunningApi, watched: Watched) -> None:
    watched.runtime = {"state": "draining", "ready": False, "restarts": 0}
    await becomes(api, "draining")
    assert await status_of_a_chat(api) == (503, "upstream_unavailable")
    watched.runtime = {
        "state": "restarting",
        "ready": False,
        "restarts": 1,
        "last_exit": {
            "reason": "cuda_out_of_memory",
            "detail": "CUDA out of memory. Tried to allocate 2.00 GiB",
            "at": "2026-11-23T08:00:00Z",
            "exit_code": 0,
            "log_tail": [],
        },
        "requests_running": 3,
    }
    state = await becomes(api, "starting")
    assert state["last_exit"] == {
        "reason": "cuda_out_of_memory",
        "detail": "CUDA out of memory. Tried to allocate 2.00 GiB",
        "at": "2026-11-23T08:00:00Z",
        "out_of_memory": True,
    }
    assert (state["restarts"], state["requests_running"]) == (1, 3)
    watched.runtime = {"state": "ready", "ready": True, "restarts": 1}
    await becomes(api, "up")
    watched.runtime = None  # a supervisor that is away says nothing against its engine
    assert (await upstream(api))["condition"] == "up"
    assert await status_of_a_chat(api) == (200, None)


async def test_streams_under_way_are_left_alone(api: RunningApi, watched: Watched) -> None:
    finish = asyncio.Event()

    watched.engine.script = in_two_parts(finish)
    request = {**CHAT, "stream": True}
    async with api.client.stream(
        "POST", "/v1/chat/completions", json=request, headers=api.headers()
    ) as response:
        pieces = response.aiter_bytes()
        assert b"one" in await anext(pieces)
        watched.runtime = {"state": "draining", "ready": False}
        assert (await becomes(api, "draining"))["outstanding"] == 1
        finish.set()
        rest = b"".join([piece async for piece in pieces])
    assert rest.endswith(b"data: [DONE]\n\n")


async def test_metrics_tell_of_engines(api: RunningApi, watched: Watched) -> None:
    watched.health = 503
    await becomes(api, "down")
    metrics = (await api.client.get("/metrics")).text
    assert 'querylake_upstream_in_rotation{upstream="engine"} 0.0' in metrics
    assert 'querylake_upstream_condition{condition="down",upstream="engine"} 1.0' in metrics
    assert 'querylake_upstream_condition{condition="up",upstream="engine"} 0.0' in metrics
    assert 'querylake_upstream_breaker{state="closed",upstream="engine"} 1.0' in metrics
    assert 'querylake_upstream_outstanding{upstream="engine"} 0.0' in metrics
    assert 'querylake_upstream_restarts{upstream="engine"} 0.0' in metrics
