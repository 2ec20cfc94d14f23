"""How soon a worker routes by what was changed elsewhere."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from querylake_api.rollouts.records.lifecycle import Action
from querylake_api.rollouts.records.repository import RolloutRepository
from querylake_api.rollouts.records.stops import Stop, StopFile
from querylake_api.rollouts.records.transition import transition
from querylake_api.rollouts.routing.assignment import RolloutAssignment
from querylake_api.rollouts.routing.follower import POLL_SECONDS, Follower
from querylake_api_testing.rollout_database import started
from waiting_testing.waiting import PATIENCE


async def test_one_look_is_enough_and_there_are_several_in_a_second(
    repository: RolloutRepository, tmp_path: Path
) -> None:
    assignment = RolloutAssignment()
    follower = Follower(repository, assignment, StopFile(tmp_path))
    await started(repository)
    await follower.look()
    assert [split.rollout_id for split in assignment.splits()] == ["r1"]
    async with repository.database.begin() as connection:
        await transition(connection, "r1", Action.ROLLBACK, actor="test", reason="")
    await follower.look()
    assert list(assignment.splits()) == []
    assert POLL_SECONDS <= 0.75, "which leaves a quarter of the second for the look itself"


async def test_a_change_elsewhere_is_told(
    repository: RolloutRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assignment = RolloutAssignment()
    follower = Follower(repository, assignment, StopFile(tmp_path))
    await started(repository)
    await follower.look()
    monkeypatch.setattr("querylake_api.rollouts.routing.follower.POLL_SECONDS", 10 * PATIENCE)
    following = asyncio.create_task(follower.run())
    await asyncio.sleep(0)
    await follower.look()  # after its first one, so that it has no other before it is told
    async with repository.database.begin() as connection:
        await transition(connection, "r1", Action.ROLLBACK, actor="test", reason="")
    async with asyncio.timeout(PATIENCE):
        while assignment.splits():
            await asyncio.sleep(0.01)
    following.cancel()


async def test_an_order_on_this_machine_is_followed_though_nothing_was_routed_before(
    repository: RolloutRepository, tmp_path: Path
) -> None:
    assignment = RolloutAssignment()
    follower = Follower(repository, assignment, StopFile(tmp_path))
    following = asyncio.create_task(follower.run_stops())
    await asyncio.sleep(0)
    await started(repository)
    await follower.look()
    assert assignment.splits()
    StopFile(tmp_path).put("r1", Stop("test", "it is slow", 0.0))
    async with asyncio.timeout(PATIENCE):
        while assignment.splits():
            await asyncio.sleep(0.01)
    following.cancel()
