"""One controller at a time, whatever dies and when: against a real database, and with SIGKILL."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from querylake_api.persistence.database import Database
from querylake_api.persistence.errors import DatabaseUnavailable
from querylake_api.persistence.location import asyncpg_url
from querylake_api.rollouts import controller as module
from querylake_api.rollouts.controller import Controller
from querylake_api.rollouts.gates import Gates
from querylake_api.rollouts.lease import Lease, LeaseLost
from querylake_api.rollouts.lifecycle import Action, Status
from querylake_api.rollouts.outcomes import Batch, Kind
from querylake_api.rollouts.plan import Judging, RolloutPlan, Step
from querylake_api.rollouts.repository import Event, RolloutRepository
from querylake_api.rollouts.transition import transition
from querylake_api.rollouts.webhooks import Webhooks, signature
from querylake_api.settings import Role
from querylake_api_testing.databases import TestPostgres
from querylake_api_testing.rollout_stage import GATES_HOLD

PLAN = RolloutPlan(
    model="m",
    steps=(Step(percent=10, bake_seconds=86_400), Step(percent=50, bake_seconds=86_400)),
    judging=Judging(min_requests=20),
)


@pytest.fixture
async def repository(database_url: str) -> AsyncIterator[RolloutRepository]:
    database = Database(asyncpg_url(database_url))
    yield RolloutRepository(database)
    await database.close()


def controller(repository: RolloutRepository, name: str, folder: Path = Path()) -> Controller:
    lease = Lease(repository.database, name)
    return Controller(repository, lease, lambda: Gates(GATES_HOLD, folder), lambda _: [])


async def started(repository: RolloutRepository, plan: RolloutPlan = PLAN) -> str:
    values: dict[str, Any] = {
        "id": "r1",
        "model": plan.model,
        "candidates": ["new"],
        "plan": plan.model_dump(mode="json"),
        "salt": "s",
        "status": "draft",
        "created_by": "test",
    }
    await repository.add(values, Event("created", "test", "Created.", {}))
    async with repository.database.begin() as connection:
        await transition(connection, "r1", Action.START, actor="test", reason="")
    return "r1"


def counted(step: int, *, bad: int = 0) -> Batch:
    counts: Counter[Kind] = Counter()
    arms: tuple[tuple[Role, int, int], ...] = (("stable", 1000, 0), ("candidate", 300, bad))
    for arm, good, failed in arms:
        for number in range(20):
            counts[Kind(arm, "chat", f"{arm}{number}", False, None, None)] += good // 20
            counts[Kind(arm, "chat", f"{arm}{number}", True, None, None)] += failed // 20
    return Batch("r1", step, +counts)


class Worker:
    """Hands outcomes over as a worker does."""

    def __init__(self, repository: RolloutRepository) -> None:
        self._repository = repository
        self._number = 0

    async def report(self, *batches: Batch, alarms: dict[str, list[str]] | None = None) -> None:
        self._number += 1
        await self.again(*batches, alarms=alarms)

    async def again(self, *batches: Batch, alarms: dict[str, list[str]] | None = None) -> None:
        await self._repository.report(
            "w", version=1_000_000, alarms=alarms or {}, number=self._number, batches=batches
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
    return [event.kind for event in await repository.events("r1")]


async def test_only_the_holder_of_the_lease_acts_and_a_late_one_cannot(
    repository: RolloutRepository, postgres: TestPostgres, database_url: str
) -> None:
    first, second = Lease(repository.database, "first"), Lease(repository.database, "second")
    assert await first.claim()
    assert not await second.claim()
    assert await first.claim(), "the holder renews"
    expired = "UPDATE rollout_lease SET expires_at = clock_timestamp() - interval '1 second'"
    await postgres.execute(database_url, expired)
    assert await second.claim()
    with pytest.raises(LeaseLost):
        async with repository.database.begin() as connection:
            await first.check(connection)
    async with repository.database.begin() as connection:
        await second.check(connection)
    await second.release()
    assert await first.claim(), "what was released is free at once"


async def test_a_batch_that_is_sent_twice_counts_once(repository: RolloutRepository) -> None:
    await started(repository)
    worker = Worker(repository)
    await worker.report(counted(0))
    await worker.again(counted(0))
    judging = controller(repository, "c")
    await judging.look()
    rollout = await repository.get("r1")
    assert rollout is not None
    await worker.again(counted(0))
    await judging.look()
    rollout = await repository.get("r1")
    assert rollout is not None
    assert rollout.evidence is not None
    keys = rollout.evidence["signals"]["errors"]["keys"]["candidate"]
    assert sum(trials for trials, _ in keys.values()) == 300


async def test_outcomes_of_a_step_that_is_over_are_dropped(repository: RolloutRepository) -> None:
    await started(repository)
    worker = Worker(repository)
    await worker.report(counted(1, bad=100))
    await controller(repository, "c").look()
    rollout = await repository.get("r1")
    assert rollout is not None
    assert rollout.course.status is Status.RUNNING


async def test_alarms_of_living_workers_roll_back(repository: RolloutRepository) -> None:
    await started(repository)
    await Worker(repository).report(alarms={"r1": ["its engine ran out of memory"]})
    await controller(repository, "c").look()
    event = next(each for each in await repository.events("r1") if each.kind == "rolled_back")
    assert "Its engine ran out of memory" in event.sentence
    assert event.figures["alarms"] == ["its engine ran out of memory"]


async def test_a_database_outage_freezes_progress_and_loses_nothing(
    repository: RolloutRepository, postgres: TestPostgres, database_url: str
) -> None:
    await started(repository)
    worker = Worker(repository)
    await primed(repository, worker, 0)
    await worker.report(counted(0))
    judging = controller(repository, "c")
    await postgres.set_reachable(database_url, False)
    with pytest.raises(DatabaseUnavailable):
        await judging.look()
    assert not judging.acting
    await postgres.set_reachable(database_url, True)
    await judging.look()
    assert "advanced" in await kinds_of_events(repository)


def kill_at(place: str) -> None:
    """Make this process kill itself before or after the controller calls a function."""
    when, name = place.split(":")
    function = getattr(module, name)

    async def killed(*positional: Any, **named: Any) -> None:
        if when == "after":
            await function(*positional, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(module, name, killed)


async def look_in_process(url: str, name: str, place: str | None) -> int:
    """Run one look in a process of its own, which may kill itself on the way.

    Returns:
        The signal that ended it, 0 if none did.
    """

    async def look() -> None:
        if place is not None:
            kill_at(place)
        database = Database(asyncpg_url(url))
        await controller(RolloutRepository(database), name).look()
        await database.close()

    pid = os.fork()
    if not pid:
        # The thread has no event loop yet; the one of the parent must not be touched.
        thread = threading.Thread(target=lambda: asyncio.run(look()))
        thread.start()
        thread.join()
        os._exit(0)
    _, status = await asyncio.to_thread(os.waitpid, pid, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


@dataclass(frozen=True)
class Transition:
    """A change that the controller makes by itself."""

    kind: str
    step: int
    bad: int = 0
    alarms: bool = False


CHANGES = (
    Transition("advanced", 0),
    Transition("rolled_back", 0, bad=400),
    Transition("rolled_back", 0, alarms=True),
    Transition("promoted", 1),
)
PLACES = (
    "before:take_outcomes",
    "after:take_outcomes",
    "after:change",
    "before:transition",
    "after:transition",
)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: f"{change.kind}{change.alarms:d}")
async def test_a_controller_killed_anywhere_leaves_all_or_nothing(
    change: Transition, repository: RolloutRepository, postgres: TestPostgres, database_url: str
) -> None:
    await started(repository)
    if change.step:
        async with repository.database.begin() as connection:
            await transition(connection, "r1", Action.ADVANCE, actor="test", reason="")
    worker = Worker(repository)
    await primed(repository, worker, change.step)
    alarms = {"r1": ["it is dead"]} if change.alarms else None
    await worker.report(counted(change.step, bad=change.bad), alarms=alarms)
    # On a busy machine the worker would be taken for dead meanwhile.
    await postgres.execute(database_url, "UPDATE rollout_workers SET seen_at = 'infinity'")
    before = await kinds_of_events(repository)
    free = "UPDATE rollout_lease SET expires_at = clock_timestamp()"
    for number, place in enumerate(PLACES):
        ended = await look_in_process(database_url, f"victim{number}", place)
        assert ended == signal.SIGKILL, place
        assert await kinds_of_events(repository) == before, place
        await postgres.execute(database_url, free)
    assert await look_in_process(database_url, "successor", None) == 0
    events = await repository.events("r1")
    assert [event.kind for event in events].count(change.kind) == before.count(change.kind) + 1
    rollout = await repository.get("r1")
    assert rollout is not None
    assert rollout.evidence is not None
    keys = rollout.evidence["signals"]["errors"]["keys"]["candidate"]
    assert sum(trials for trials, _ in keys.values()) == 9 * 300 + change.bad, "counted once"


async def test_webhooks_are_signed_repeated_and_given_up(
    repository: RolloutRepository,
    monkeypatch: pytest.MonkeyPatch,
    postgres: TestPostgres,
    database_url: str,
) -> None:
    monkeypatch.setenv("HOOK_SECRET", "s3cret")
    monkeypatch.setattr("querylake_api.rollouts.webhooks.PAUSE_SECONDS", 0.01)
    seen: list[httpx.Request] = []

    def receive(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        dead = request.url.host == "dead.example"
        return httpx.Response(500 if dead or len(seen) == 1 else 204)

    hooks = ("http://dead.example/", "http://alive.example/hook")
    plan = RolloutPlan.model_validate({**PLAN.model_dump(), "webhooks": hooks})
    await started(repository, plan)
    await asyncio.sleep(1.2)  # the repository holds back what is younger than a second
    webhooks = Webhooks(repository, Lease(repository.database, "c"), lambda: "HOOK_SECRET")
    async with httpx.AsyncClient(transport=httpx.MockTransport(receive)) as client:
        await webhooks.send_new(client)
        sent = len(seen)
        await webhooks.send_new(client)
    assert len(seen) == sent, "what was announced is not announced again"
    hosts = Counter(request.url.host for request in seen)
    assert hosts["dead.example"] == 6
    last = [request for request in seen if request.url.host == "alive.example"][-1]
    stamp = last.headers["x-querylake-timestamp"]
    assert last.headers["x-querylake-signature"] == signature("s3cret", stamp, last.content)
    assert b'"kind":"started"' in last.content.replace(b": ", b":")
