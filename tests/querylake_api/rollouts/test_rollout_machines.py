"""Two machines with nothing in common but the database: one controller, one routing."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from llm_provider_testing.scripted_engine import ScriptedEngine, scripted_engine
from querylake_api.rollouts.routing.follower import Follower
from querylake_api_testing.rollout_stage import GATES_HOLD, Stage, stage_config
from querylake_api_testing.running import running_api
from waiting_testing.waiting import PATIENCE


@dataclass(frozen=True)
class Machines:
    """Each with a folder of its own, in front of the same engines."""

    first: Stage
    second: Stage


@pytest.fixture
async def machines(tmp_path: Path, database_url: str) -> AsyncIterator[Machines]:
    async with AsyncExitStack() as stack:
        old = await stack.enter_async_context(scripted_engine())
        new = await stack.enter_async_context(scripted_engine())
        stages = []
        for name in ("first", "second"):
            (tmp_path / name).mkdir()
            config = stage_config(
                *(tmp_path / name, database_url, old.url, new.url), gates_command=GATES_HOLD
            )
            api = await stack.enter_async_context(running_api(config))
            stages.append(Stage(api, old, new))
        yield Machines(*stages)


async def controllers(stage: Stage) -> int:
    text = (await stage.api.client.get("/metrics")).text
    name = "querylake_rollout_controllers "
    found = [line.removeprefix(name) for line in text.splitlines() if line.startswith(name)]
    return sum(int(float(value)) for value in found)


CHATS = 20


async def chats(stage: Stage, engine: ScriptedEngine) -> int:
    """Send some chats to a machine, and return how many of them an engine got."""
    before = len(engine.requests)
    for _ in range(CHATS):
        assert await stage.chat() == 200
    return len(engine.requests) - before


async def judged(stage: Stage, rollout: str) -> int:
    """Return how many requests have been judged."""
    judgement = (await stage.admin(f"/{rollout}"))["judgement"]
    if judgement is None:
        return 0
    errors = judgement["signals"][0]
    count: int = errors["stable"]["requests"] + errors["candidate"]["requests"]
    return count


async def test_one_judges_and_both_follow(machines: Machines) -> None:
    first, second = machines.first, machines.second
    rollout = await first.started(steps=[{"percent": 50, "bake_seconds": 600}])
    flipped = await first.flipped(rollout, await first.event(rollout, "started"))
    assert flipped["figures"]["workers"] == 2
    async with asyncio.timeout(PATIENCE):
        while await controllers(first) + await controllers(second) != 1:
            await asyncio.sleep(0.1)
    assert await chats(first, first.new)
    assert await chats(second, first.new)
    await second.admin(f"/{rollout}/rollback", {})
    undone = await first.flipped(rollout, await first.event(rollout, "rolled_back"))
    assert undone["figures"]["workers"] == 2
    assert await chats(first, first.new) == await chats(second, first.new) == 0


async def test_what_both_count_is_judged_together(machines: Machines) -> None:
    first, second = machines.first, machines.second
    rollout = await first.started(steps=[{"percent": 50, "bake_seconds": 600}])
    await first.flipped(rollout, await first.event(rollout, "started"))
    sent = 0
    async with asyncio.timeout(PATIENCE):
        for stage in (first, second):
            # More than the machines before it have sent, so some of this one's are among them.
            before = sent
            while await judged(second, rollout) <= before + CHATS // 2:
                await chats(stage, stage.new)
                sent += CHATS
    assert before < await judged(first, rollout) <= sent


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> dict[int, list[datetime]]:
    """Give the moments at which each worker looks at the database for changes."""
    moments: dict[int, list[datetime]] = defaultdict(list)
    look = Follower.look

    async def noted(follower: Follower) -> None:
        moments[id(follower)].append(datetime.now(UTC))
        await look(follower)

    monkeypatch.setattr(Follower, "look", noted)
    return moments


async def test_both_have_followed_within_a_second(
    looks: dict[int, list[datetime]], machines: Machines
) -> None:
    told = []
    for operator in (machines.first, machines.second):
        rollout = await operator.started(steps=[{"percent": 50, "bake_seconds": 600}])
        for kind in ("started", "rolled_back"):
            change = await operator.event(rollout, kind)
            flipped = await operator.flipped(rollout, change)
            told.append(flipped["figures"]["seconds"])
            assert flipped["figures"]["workers"] == len(looks) == 2
            begun = datetime.fromisoformat(change["at"])
            followed = begun + timedelta(seconds=told[-1])
            for moments in looks.values():
                # Not by the clock, which a busy machine may stop for longer: one look because of
                # the notice, and one that was due anyway.
                assert sum(begun < look <= followed for look in moments) <= 2
            if kind == "started":
                await operator.admin(f"/{rollout}/rollback", {})
    assert min(told) < 1, told
