"""Clocks that jump: the machine's, the database's, and that of a machine which slept."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from querylake_api.rollouts.control.controller import MAX_BAKE_STEP
from querylake_api.rollouts.records.lease import Lease
from querylake_api.rollouts.records.lifecycle import Action, Status
from querylake_api.rollouts.records.repository import RolloutRepository
from querylake_api.rollouts.records.transition import transition
from querylake_api_testing.databases import TestPostgres
from querylake_api_testing.rollout_database import controller, started
from querylake_api_testing.rollout_stage import rollout_stage

HOUR = 3600.0


class Clock:
    """Shows what it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def baked(repository: RolloutRepository) -> float:
    rollout = await repository.get("r1")
    assert rollout is not None
    return rollout.baked_seconds


async def test_a_machine_that_slept_has_not_baked(repository: RolloutRepository) -> None:
    await started(repository)
    clock = Clock()
    judging = controller(repository, "c", clock)
    await judging.look()
    for passed, counted in ((1.0, 1.0), (HOUR, MAX_BAKE_STEP), (1.5, 1.5)):
        before = await baked(repository)
        clock.now += passed
        await judging.look()
        assert await baked(repository) - before == pytest.approx(counted)


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_setting_the_wall_clock_changes_nothing(
    jump: float, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rollout_stage(tmp_path, database_url) as stage, stage.load() as statuses:
        rollout = await stage.started(steps=[{"percent": 50, "bake_seconds": 600}])
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + jump)
        seen = sum(statuses.values())
        flipped = await stage.flipped(rollout, await stage.event(rollout, "started"))
        while sum(statuses.values()) < seen + 200:
            await stage.chat()
        view = await stage.admin(f"/{rollout}")
        kinds = {event["kind"] for event in await stage.events(rollout)}
        monkeypatch.setattr(time, "time", real)
    assert (view["status"], set(statuses)) == ("running", {200})
    assert view["baked_seconds"] < 120
    assert kinds == {"created", "started", "flipped"}
    assert 0 <= flipped["figures"]["seconds"] < 60


async def test_a_lease_from_before_the_databases_clock_was_set_back_is_free(
    repository: RolloutRepository, postgres: TestPostgres, database_url: str
) -> None:
    dead, heir = Lease(repository.database, "dead"), Lease(repository.database, "heir")
    assert await dead.claim()
    assert not await heir.claim()
    shifted = "UPDATE rollout_lease SET expires_at = expires_at + interval '1 hour'"
    await postgres.execute(database_url, shifted)
    assert await heir.claim()


async def test_alarms_from_before_the_databases_clock_was_set_back_are_dead(
    repository: RolloutRepository, postgres: TestPostgres, database_url: str
) -> None:
    await started(repository)
    alarms = {"r1": ["it died"]}
    await repository.report("w", version=1, age=0.0, alarms=alarms, number=1, batches=[])
    assert await repository.alarms() == [alarms]
    for shift in ("+ interval '1 hour'", "- interval '2 hours'"):
        moved = f"UPDATE rollout_workers SET seen_at = seen_at {shift}"
        await postgres.execute(database_url, moved)
        assert await repository.alarms() == []


async def test_the_rollout_that_was_started_last_is_routed_by_after_the_clock_was_set_back(
    repository: RolloutRepository, postgres: TestPostgres, database_url: str
) -> None:
    await started(repository)
    async with repository.database.begin() as connection:
        await transition(connection, "r1", Action.PROMOTE, actor="test", reason="")
    shifted = "UPDATE rollouts SET started_at = started_at + interval '1 hour'"
    await postgres.execute(database_url, shifted)
    await started(repository, name="r2")
    [routed] = await repository.routing(None) or []
    assert (routed.id, routed.course.status) == ("r2", Status.RUNNING)


async def test_webhooks_are_told_of_what_was_written_before_the_clock_was_set_back(
    repository: RolloutRepository, postgres: TestPostgres, database_url: str
) -> None:
    await started(repository)
    shifted = (
        "ALTER TABLE rollout_events DISABLE TRIGGER ALL; "
        "UPDATE rollout_events SET at = at + interval '1 hour'; "
        "ALTER TABLE rollout_events ENABLE TRIGGER ALL"
    )
    await postgres.execute(database_url, shifted)
    assert [event.kind for event in await repository.unannounced()] == ["created", "started"]
