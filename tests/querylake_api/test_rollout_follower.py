"""How soon a worker routes by what was changed elsewhere."""

from __future__ import annotations

from pathlib import Path

from querylake_api.rollouts.follower import POLL_SECONDS, Follower
from querylake_api.rollouts.lifecycle import Action
from querylake_api.rollouts.repository import RolloutRepository
from querylake_api.rollouts.routing import RolloutAssignment
from querylake_api.rollouts.stops import StopFile
from querylake_api.rollouts.transition import transition
from querylake_api_testing.rollout_database import started


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
    assert POLL_SECONDS < 0.5, "which leaves half of the second for the look itself"
