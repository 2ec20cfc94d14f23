"""Copies for a candidate that answers late, or never: few at a time, and no client waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from llm_provider_testing.scripted_engine import Exchange, answer_chat, scripted_engine
from querylake_api.rollouts.routing.shadows import MAX_COPIES
from querylake_api_testing.rollout_stage import GATES_HOLD, Stage, stage_config
from querylake_api_testing.running import running_api
from waiting_testing.waiting import PATIENCE

COPIED = [{"percent": 0, "shadow_percent": 99.9, "bake_seconds": 0}]
FOREVER = 3600
"""Seconds: longer than any client of the tests waits for an answer."""


@pytest.fixture
async def stage(tmp_path: Path, database_url: str) -> AsyncIterator[Stage]:
    async with scripted_engine() as old, scripted_engine() as new:
        config = stage_config(*(tmp_path, database_url, old.url, new.url), gates_command=GATES_HOLD)
        patient = f"connect = {FOREVER}\nfirst_byte = {FOREVER}\n"
        config.write_text(f"{config.read_text()}[upstreams.new.timeouts]\n{patient}")
        async with running_api(config) as api:
            yield Stage(api, old, new)


async def copying(stage: Stage) -> str:
    """Start a rollout that copies nearly every request and is in no hurry to end."""
    judging = {"min_requests": 1_000_000, "stall_seconds": FOREVER}
    rollout = await stage.started(steps=COPIED, judging=judging)
    await stage.flipped(rollout, await stage.event(rollout, "started"))
    return rollout


async def under_way(stage: Stage) -> int:
    """Return how many copies there are; the candidate gets nothing else."""
    listed = await stage.api.get("/admin/upstreams", key=stage.api.admin_key)
    [new] = [each for each in listed.json()["data"] if each["name"] == "new"]
    outstanding: int = new["outstanding"]
    return outstanding


async def test_there_are_so_many_copies_and_then_requests_are_not_copied(stage: Stage) -> None:
    answer = asyncio.Event()

    async def late(exchange: Exchange) -> None:
        await answer.wait()
        await answer_chat(exchange)

    stage.new.script = late
    rollout = await copying(stage)
    for number in range(3 * MAX_COPIES):
        assert await stage.chat(stream=number % 2 == 0) == 200
    assert await under_way(stage) == MAX_COPIES
    assert len(stage.old.requests) == 3 * MAX_COPIES

    answer.set()
    async with asyncio.timeout(PATIENCE):
        while await under_way(stage):
            await asyncio.sleep(0.05)
        assert len(stage.new.requests) == MAX_COPIES
        while len(stage.new.requests) < MAX_COPIES + 3:
            assert await stage.chat() == 200
    assert (await stage.admin(f"/{rollout}"))["status"] == "running"


async def test_a_host_that_cannot_be_reached_costs_no_client_anything(stage: Stage) -> None:
    rollout = await copying(stage)
    stage.new.swallow()
    for number in range(3 * MAX_COPIES):
        assert await stage.chat(stream=number % 2 == 0) == 200
    assert 0 < await under_way(stage) <= MAX_COPIES
    assert (await stage.event(rollout, "rolled_back"))["actor"] in ("controller", "sentinel")
    assert await stage.chat() == 200
