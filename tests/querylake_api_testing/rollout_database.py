"""Rollouts in a database, without an API: made, counted for, and judged."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import text

from querylake_api.rollouts.control.controller import Controller
from querylake_api.rollouts.control.gates import Gates
from querylake_api.rollouts.records.lease import Lease
from querylake_api.rollouts.records.lifecycle import Action
from querylake_api.rollouts.records.outcomes import Batch
from querylake_api.rollouts.records.plan import Judging, RolloutPlan, Step
from querylake_api.rollouts.records.repository import Event, RolloutRepository, kept_evidence
from querylake_api.rollouts.records.transition import transition
from querylake_api.settings import Role
from querylake_api_testing.rollout_stage import GATES_HOLD
from rollout_statistics.outcomes import Kind

PLAN = RolloutPlan(
    model="m",
    steps=(Step(percent=10, bake_seconds=86_400), Step(percent=50, bake_seconds=86_400)),
    judging=Judging(min_requests=20, warmup_seconds=0),
)


def controller(
    repository: RolloutRepository,
    name: str,
    clock: Callable[[], float] = time.monotonic,
    gates: Sequence[str] = GATES_HOLD,
) -> Controller:
    """Return a controller that nobody runs; a test has it look."""
    lease = Lease(repository.database, name)
    asked = Gates(gates, Path())
    return Controller(repository, lease, lambda: asked, lambda _: [], clock=clock, keep_seconds=0)


async def drafted(
    repository: RolloutRepository, plan: RolloutPlan = PLAN, name: str = "r1"
) -> None:
    """Make a rollout."""
    values: dict[str, Any] = {
        "id": name,
        "model": plan.model,
        "candidates": ["new"],
        "plan": plan.model_dump(mode="json"),
        "salt": "s",
        "status": "draft",
        "created_by": "test",
    }
    await repository.add(values, Event("created", "test", "Created.", {}))


async def started(
    repository: RolloutRepository,
    plan: RolloutPlan = PLAN,
    name: str = "r1",
    *,
    draft: bool = True,
) -> None:
    """Start a rollout, made before unless there is one."""
    if draft:
        await drafted(repository, plan, name)
    async with repository.database.begin() as connection:
        await transition(connection, name, Action.START, actor="test", reason="")


def counted(step: int, *, bad: int = 0) -> Batch:
    """Return what a worker has counted of 20 keys in each arm, and `bad` failures of the canary."""
    counts: Counter[Kind] = Counter()
    arms: tuple[tuple[Role, int, int], ...] = (("stable", 1000, 0), ("candidate", 300, bad))
    for arm, good, failed in arms:
        for number in range(20):
            counts[Kind(arm, "chat", f"{arm}{number}", "answered")] += good // 20
            counts[Kind(arm, "chat", f"{arm}{number}", "failed")] += failed // 20
    return Batch("r1", step, +counts)


class Worker:
    """Hands outcomes over as a worker does."""

    def __init__(self, repository: RolloutRepository) -> None:
        self._repository = repository
        self._number = 0

    async def report(self, *batches: Batch, alarms: dict[str, list[str]] | None = None) -> None:
        """Report something new."""
        self._number += 1
        await self.again(*batches, alarms=alarms)

    async def again(self, *batches: Batch, alarms: dict[str, list[str]] | None = None) -> None:
        """Report under the number of the last report, as after a lost answer."""
        await self._repository.report(
            "w",
            version=1_000_000,
            age=0.0,
            alarms=alarms or {},
            number=self._number,
            batches=batches,
        )


async def primed(repository: RolloutRepository, worker: Worker, step: int) -> None:
    """Let a sound candidate be seen for so long that its step is over at the next look."""
    judging = controller(repository, "primer")
    for _ in range(8):
        await worker.report(counted(step))
        await judging.look()
    async with repository.database.begin() as connection:
        await connection.execute(text("UPDATE rollouts SET baked_seconds = 100000"))
        await connection.execute(text("UPDATE rollout_lease SET expires_at = clock_timestamp()"))


async def kinds_of_events(repository: RolloutRepository) -> list[str]:
    """Return the kinds of what happened, oldest first."""
    return [event.kind for event in await repository.events("r1")]


async def kept_requests(repository: RolloutRepository) -> int:
    """Return how many requests of the candidate the evidence holds that was kept last."""
    async with repository.database.begin() as connection:
        evidence = await kept_evidence(connection, "r1")
    return sum(trials for trials, *_ in evidence["keys_candidate"].values())
