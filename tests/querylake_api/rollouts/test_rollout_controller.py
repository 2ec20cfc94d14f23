"""One controller at a time, and nothing lost or counted twice: against a real database."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx
import pytest

from querylake_api.persistence.errors import DatabaseUnavailable
from querylake_api.rollouts.control.webhooks import Webhooks, signature
from querylake_api.rollouts.records.lease import Lease, LeaseLost
from querylake_api.rollouts.records.lifecycle import Status
from querylake_api.rollouts.records.plan import RolloutPlan
from querylake_api.rollouts.records.repository import RolloutRepository
from querylake_api_testing.databases import TestPostgres
from querylake_api_testing.rollout_database import (
    PLAN,
    Worker,
    controller,
    counted,
    kept_requests,
    kinds_of_events,
    primed,
    started,
)


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
    assert await kept_requests(repository) == 300


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


async def test_webhooks_are_signed_repeated_and_given_up(
    repository: RolloutRepository,
    monkeypatch: pytest.MonkeyPatch,
    postgres: TestPostgres,
    database_url: str,
) -> None:
    monkeypatch.setenv("HOOK_SECRET", "s3cret")
    monkeypatch.setattr("querylake_api.rollouts.control.webhooks.PAUSE_SECONDS", 0.01)
    seen: list[httpx.Request] = []

    def receive(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        dead = request.url.host == "dead.example"
        return httpx.Response(500 if dead or len(seen) == 1 else 204)

    hooks = ("http://dead.example/", "http://alive.example/hook")
    plan = RolloutPlan.model_validate({**PLAN.model_dump(), "webhooks": hooks})
    await started(repository, plan)
    async with asyncio.timeout(60):
        while len(await repository.unannounced()) < 2:  # it holds back what is quite new
            await asyncio.sleep(0.05)
    webhooks = Webhooks(repository, asyncio.Event(), lambda: "HOOK_SECRET")
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
