"""A promoted stack is watched and goes back by itself: the real API, engines that fall ill."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from llm_provider_testing.scripted_engine import Exchange, Script, answer_chat, answer_probe
from querylake_api_testing.rollout_stage import Stage, every, in_band_error, refused, rollout_stage
from waiting_testing.waiting import PATIENCE

OVERRIDE = {"override_by": "Ada", "override_reason": "a test begins after the promotion"}


@pytest.fixture
async def stage(tmp_path: Path, database_url: str) -> AsyncIterator[Stage]:
    async with rollout_stage(tmp_path, database_url) as running:
        yield running


async def promoted(stage: Stage, **changes: object) -> str:
    """Promote a candidate at once, and wait until it has everything and is watched."""
    rollout = await stage.started(**changes)
    await stage.admin(f"/{rollout}/promote", OVERRIDE)
    await stage.flipped(rollout, await stage.event(rollout, "promoted"))
    return rollout


async def watch(stage: Stage, rollout: str) -> dict[str, Any]:
    """Wait until the watch has begun, and return how it stands."""
    async with asyncio.timeout(PATIENCE):
        while True:
            judgement: dict[str, Any] = (await stage.admin(f"/{rollout}"))["judgement"] or {}
            if "watch" in judgement:
                return judgement
            await asyncio.sleep(0.05)


async def down(exchange: Exchange) -> None:
    exchange.reset()


async def test_a_dead_engine_goes_back_and_users_are_served(stage: Stage) -> None:
    rollout = await promoted(stage)
    assert "it goes back by itself" in (await watch(stage, rollout))["reason"]
    stage.new.script = stage.new.probe_script = down
    event = await stage.event(rollout, "rolled_back")
    await stage.flipped(rollout, event)
    assert "after the promotion, the candidate's engine 'new'" in event["sentence"]
    assert event["figures"]["watch"]["alarms"] == event["figures"]["alarms"]
    assert [await stage.chat() for _ in range(10)] == [200] * 10
    shown = await stage.admin(f"/{rollout}")
    assert shown["status"] == "rolled_back"
    assert "after the promotion" in shown["judgement"]["reason"]


@pytest.mark.parametrize("fault", [in_band_error, refused])
async def test_clear_errors_go_back(stage: Stage, fault: Script) -> None:
    rollout = await promoted(stage)
    await watch(stage, rollout)
    stage.new.script = every(2, fault)
    async with stage.load(stream=True):
        event = await stage.event(rollout, "rolled_back")
    assert event["actor"] == "controller"
    assert "since it became so" in event["sentence"]
    assert "5.00% is borne" in event["sentence"]
    failed = next(s for s in event["figures"]["watch"]["signals"] if s["signal"] == "failed")
    assert failed["events"] > 0
    assert [await stage.chat() for _ in range(10)] == [200] * 10


async def test_a_sound_stack_is_watched_to_the_end_and_then_no_more(stage: Stage) -> None:
    rollout = await promoted(stage, watch_seconds=2)
    async with stage.load():
        event = await stage.event(rollout, "watched")
    assert "no alarm and no clear errors" in event["sentence"]
    stage.new.script = every(1, refused)
    asked = [await stage.chat() for _ in range(30)]
    assert 200 not in asked, "nobody takes it back any more"
    shown = await stage.admin(f"/{rollout}")
    assert (shown["status"], shown["judgement"]["watch"]["over"]) == ("promoted", True)


async def test_nothing_is_watched_where_the_plan_says_so(stage: Stage) -> None:
    rollout = await promoted(stage, watch_seconds=0)
    stage.new.script = stage.new.probe_script = down
    second = await stage.admin("", {"model": "chatty"})  # a look of the controller passes meanwhile
    await stage.admin(f"/{second['id']}/start", {})
    await stage.event(second["id"], "rolled_back")
    assert {each["kind"] for each in await stage.events(rollout)}.isdisjoint(
        {"rolled_back", "watched", "held"}
    )


async def test_without_an_old_stack_it_says_once_that_it_cannot_go_back(stage: Stage) -> None:
    rollout = await promoted(stage)
    await watch(stage, rollout)
    stage.old.script = stage.old.probe_script = down
    async with asyncio.timeout(PATIENCE):
        while True:
            engines = (await stage.api.get("/admin/overview", key=stage.api.admin_key)).json()
            if any(each["title"] == "Engine old is down" for each in engines["attention"]):
                break
            await asyncio.sleep(0.05)
    stage.new.script = every(2, in_band_error)
    async with stage.load(stream=True):
        event = await stage.event(rollout, "held")
        assert "Should go back, but no engine of the stable stack" in event["sentence"]
        stage.old.probe_script = answer_probe
        stage.old.script = answer_chat
        await stage.event(rollout, "rolled_back")
    kinds = [each["kind"] for each in await stage.events(rollout)]
    assert kinds.count("held") == 1
