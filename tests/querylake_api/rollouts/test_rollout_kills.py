"""SIGKILL at every point of every transition leaves all of it or nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from querylake_api.errors import ApiError
from querylake_api.inference.catalog import Catalog, Model, Target
from querylake_api.persistence.database import Database
from querylake_api.persistence.location import asyncpg_url
from querylake_api.rollouts.control import controller as controller_module
from querylake_api.rollouts.control.gates import Gates
from querylake_api.rollouts.control.service import RolloutService
from querylake_api.rollouts.records import transition as transition_module
from querylake_api.rollouts.records.lifecycle import Action
from querylake_api.rollouts.records.repository import RolloutRepository
from querylake_api.rollouts.records.stops import StopFile
from querylake_api.rollouts.records.transition import transition
from querylake_api.rollouts.routing.assignment import RolloutAssignment
from querylake_api.rollouts.routing.follower import Follower
from querylake_api_testing.databases import TestPostgres
from querylake_api_testing.engines import named_engine
from querylake_api_testing.rollout_database import (
    Worker,
    controller,
    counted,
    drafted,
    kept_requests,
    kinds_of_events,
    primed,
    started,
)


def kill_at(module: ModuleType, place: str) -> None:
    """Make this process kill itself before or after a module calls a function."""
    when, name = place.split(":")
    function = getattr(module, name)

    async def killed(*positional: Any, **named: Any) -> None:
        if when == "after":
            await function(*positional, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(module, name, killed)


async def in_process(work: Callable[[], Coroutine[Any, Any, None]]) -> int:
    """Do something in a process of its own, which may kill itself on the way.

    Returns:
        The signal that ended it, 0 if none did.
    """
    pid = os.fork()
    if not pid:
        # The thread has no event loop yet; the one of the parent must not be touched.
        thread = threading.Thread(target=lambda: asyncio.run(work()))
        thread.start()
        thread.join()
        os._exit(0)
    _, status = await asyncio.to_thread(os.waitpid, pid, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


async def look_in_process(url: str, name: str, place: str | None) -> int:
    """Let a controller look once in a process of its own."""

    async def look() -> None:
        if place is not None:
            kill_at(controller_module, place)
        database = Database(asyncpg_url(url))
        await controller(RolloutRepository(database), name).look()
        await database.close()

    return await in_process(look)


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
    "before:reported",
    "after:reported",
    "after:keep_evidence",
    "after:change",
    "before:transition",
    "after:transition",
)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: f"{change.kind}{change.alarms:d}")
async def test_a_controller_killed_anywhere_leaves_all_or_nothing(
    change: Transition,
    repository: RolloutRepository,
    postgres: TestPostgres,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # On a busy machine the worker would be taken for dead meanwhile.
    monkeypatch.setattr("querylake_api.rollouts.records.repository.ALIVE_SECONDS", 600)
    await started(repository)
    if change.step:
        async with repository.database.begin() as connection:
            await transition(connection, "r1", Action.ADVANCE, actor="test", reason="")
    worker = Worker(repository)
    await primed(repository, worker, change.step)
    alarms = {"r1": ["it is dead"]} if change.alarms else None
    await worker.report(counted(change.step, bad=change.bad), alarms=alarms)
    before = await kinds_of_events(repository)
    free = "UPDATE rollout_lease SET expires_at = clock_timestamp()"
    for number, place in enumerate(PLACES):
        ended = await look_in_process(database_url, f"victim{number}", place)
        assert ended == signal.SIGKILL, place
        assert await kinds_of_events(repository) == before, place
        await postgres.execute(database_url, free)
    ended = await look_in_process(database_url, "committer", "before:measure_flips")
    assert ended == signal.SIGKILL
    assert change.kind in (await kinds_of_events(repository))[len(before) :]
    await postgres.execute(database_url, free)
    assert await look_in_process(database_url, "successor", None) == 0
    events = await repository.events("r1")
    assert [event.kind for event in events].count(change.kind) == before.count(change.kind) + 1
    assert await kept_requests(repository) == 9 * 300 + change.bad, "counted once"


def candidate_catalog() -> Catalog:
    """Return the rollout's model, with engines that are never asked anything."""
    old, new = named_engine("old"), named_engine("new")
    model = Model(
        id="m",
        aliases=(),
        capabilities=frozenset({"chat"}),
        stable=(Target(old, "m", "stable"),),
        candidates=(Target(new, "m", "candidate"),),
    )
    return Catalog([model])


async def move(service: RolloutService, action: str) -> None:
    """Do what an operator asks for."""
    if action == "start":
        await service.start("r1", candidate_catalog(), "key_1", "")
    elif action == "promote":
        override = ("Ada", "a test")
        await service.promote("r1", Gates((), Path()), "key_1", "", override)
    else:
        await getattr(service, action)("r1", "key_1", "")


async def move_in_process(url: str, state: Path, action: str, place: str) -> int:
    """Let an operator's request be served in a process of its own, which kills itself."""

    async def serve() -> None:
        repository = RolloutRepository(Database(asyncpg_url(url)))
        follower = Follower(repository, RolloutAssignment(), StopFile(state))
        await follower.look()
        if place == "committed":
            setattr(follower, "look", lambda: os.kill(os.getpid(), signal.SIGKILL))  # noqa: B010
        else:
            kill_at(transition_module, place)
        await move(RolloutService(repository, follower), action)

    return await in_process(serve)


DONE = {
    "start": "started",
    "pause": "paused",
    "resume": "resumed",
    "promote": "promoted",
    "rollback": "rolled_back",
    "abort": "aborted",
}
UNCOMMITTED = ("before:find", "before:change", "after:change", "after:append")


@pytest.mark.parametrize("action", DONE)
async def test_a_worker_killed_while_an_operator_acts_leaves_all_or_nothing(
    action: str, repository: RolloutRepository, database_url: str, tmp_path: Path
) -> None:
    await drafted(repository)
    if action != "start":
        await started(repository, draft=False)
    if action == "resume":
        async with repository.database.begin() as connection:
            await transition(connection, "r1", Action.PAUSE, actor="test", reason="")
    before = await kinds_of_events(repository)
    for number, place in enumerate(UNCOMMITTED):
        (state := tmp_path / str(number)).mkdir()
        assert await move_in_process(database_url, state, action, place) == signal.SIGKILL, place
        assert await kinds_of_events(repository) == before, place
    (state := tmp_path / "committed").mkdir()
    assert await move_in_process(database_url, state, action, "committed") == signal.SIGKILL
    assert await kinds_of_events(repository) == [*before, DONE[action]]
    heir = Follower(repository, RolloutAssignment(), StopFile(state))
    await heir.look()
    with pytest.raises(ApiError, match="Allowed now"):
        await move(RolloutService(repository, heir), action)
    assert await kinds_of_events(repository) == [*before, DONE[action]], "written once"


async def test_a_rollback_that_was_ordered_and_not_written_is_written_by_the_heir(
    repository: RolloutRepository, database_url: str, tmp_path: Path
) -> None:
    await started(repository)
    await move_in_process(database_url, tmp_path, "rollback", "before:find")
    assert "rolled_back" not in await kinds_of_events(repository)
    heir = Follower(repository, RolloutAssignment(), StopFile(tmp_path))
    for _ in range(2):
        heir.look_at_stops()
        await heir.look()
    assert (await kinds_of_events(repository)).count("rolled_back") == 1
    assert StopFile(tmp_path).read() == {}
