"""What needs no statistics ends a rollout within five seconds, whoever is missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from llm_provider_testing.scripted_engine import (
    Exchange,
    ScriptedEngine,
    answer_probe,
    scripted_engine,
)
from querylake_api.rollouts.control.sentinel import CANDIDATE_TIMEOUT, LOOK_INTERVAL
from querylake_api.upstreams.monitor import MIN_PAUSE_SECONDS
from querylake_api_testing.databases import TestPostgres
from querylake_api_testing.rollout_stage import GATES_HOLD, Stage, hung_up, stage_config
from querylake_api_testing.running import running_api
from waiting_testing.waiting import PATIENCE

SECONDS = 5.0
"""From the moment that a fault can be seen to the end of the rollout.

Counted in looks at the engine, each as long as it takes at most: whatever a busy machine does to
the clock on the wall, it does to the looks as well.
"""

ANSWERED = LOOK_INTERVAL + MIN_PAUSE_SECONDS
UNANSWERED = CANDIDATE_TIMEOUT + MIN_PAUSE_SECONDS
"""Seconds from one look to the next."""

HEALTHY = {"state": "ready", "ready": True, "restarts": 0, "requests_running": 0}
OOM = {
    "reason": "cuda_out_of_memory",
    "detail": "CUDA out of memory. Tried to allocate 2.00 GiB",
    "at": "2026-01-02T03:04:05Z",
}


@dataclass
class Faulty:
    """A new engine with a supervisor, both of which do what a test wants.

    Attributes:
        status: what the supervisor says.
        running: what the engine's gauge says, if it has metrics.
    """

    engine: ScriptedEngine
    supervisor: ScriptedEngine
    status: dict[str, object]
    running: int = 2

    async def say_status(self, exchange: Exchange) -> None:
        await exchange.whole(self.status)

    def out_of_memory(self) -> None:
        self.status = {**HEALTHY, "restarts": 1, "last_exit": OOM}

    def restarting(self) -> None:
        self.status = {**HEALTHY, "restarts": 1}

    def failed(self) -> None:
        self.status = {**HEALTHY, "state": "failed", "ready": False}

    def cut_off(self) -> None:
        self.engine.script = self.engine.probe_script = hung_up

    def unreachable(self) -> None:
        """Be on a host that swallows every packet."""
        self.engine.swallow()

    def frozen(self) -> None:
        """Take requests and looks, and never say another word."""
        self.engine.script = self.engine.probe_script = self._silence

    def stuck(self) -> None:
        """Be healthy, have requests, and make no token."""
        self.engine.script = self._silence
        self.engine.probe_script = self._metrics

    def stuck_while_idle(self) -> None:
        """Likewise, but count no request that came later, as vLLM does."""
        self.running = 0
        self.stuck()

    async def _silence(self, exchange: Exchange) -> None:
        await exchange.caller_gone()

    async def _metrics(self, exchange: Exchange) -> None:
        if exchange.request.path != "/metrics":
            await answer_probe(exchange)
            return
        gauge = f'vllm:num_requests_running{{m="m"}} {self.running}'
        text = f'{gauge}\nvllm:generation_tokens_total{{m="m"}} 70\n'
        await exchange.whole(text.encode(), content_type="text/plain")


def looks_at(engine: ScriptedEngine, path: str = "/health") -> list[datetime]:
    """Return the moments at which an engine, or a supervisor, is looked at from now on."""
    moments: list[datetime] = []
    assert engine.probe_script is not None
    script = engine.probe_script

    async def noted(exchange: Exchange) -> None:
        if exchange.request.path == path:
            moments.append(datetime.now(UTC))
        await script(exchange)

    engine.probe_script = noted
    return moments


def before(looks: list[datetime], moment: datetime) -> int:
    return sum(look <= moment for look in looks)


def written(event: dict[str, Any]) -> datetime:
    """Return when something was decided, as the database has it."""
    return datetime.fromisoformat(event["at"])


@dataclass(frozen=True)
class Watched(Stage):
    """A stage whose new engine is `faulty`."""

    faulty: Faulty


@pytest.fixture
async def stage(tmp_path: Path, database_url: str) -> AsyncIterator[Watched]:
    async with (
        scripted_engine() as old,
        scripted_engine() as new,
        scripted_engine() as supervisor,
    ):
        faulty = Faulty(new, supervisor, HEALTHY)
        supervisor.probe_script = faulty.say_status
        config = stage_config(
            *(tmp_path, database_url, old.url, new.url),
            supervisor=supervisor.url.removesuffix("/v1"),
            gates_command=GATES_HOLD,
        )
        async with running_api(config) as api:
            yield Watched(api, old, new, faulty)


async def patient(stage: Watched, percent: int = 50) -> str:
    """Start a rollout that no evidence will end."""
    steps = [{"percent": percent, "bake_seconds": 0}]
    rollout = await stage.started(steps=steps, judging={"min_requests": 1_000_000})
    await stage.flipped(rollout, await stage.event(rollout, "started"))
    return rollout


@pytest.mark.parametrize(
    ("fault", "pace", "words"),
    [
        (Faulty.out_of_memory, ANSWERED, "ran out of memory: CUDA out of memory"),
        (Faulty.restarting, ANSWERED, "was restarted while the rollout ran"),
        (Faulty.failed, ANSWERED, "is down: its supervisor says failed"),
        (Faulty.cut_off, ANSWERED, "candidate's engine 'new'"),
        (Faulty.unreachable, UNANSWERED, "candidate's engine 'new'"),
        (Faulty.frozen, UNANSWERED, "is down: no answer in time"),
        (Faulty.stuck, ANSWERED, "has requests and made no token"),
        (Faulty.stuck_while_idle, ANSWERED, "has requests and made no token"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_a_fault_that_can_be_seen_ends_it_within_five_seconds(
    stage: Watched, fault: Callable[[Faulty], None], pace: float, words: str
) -> None:
    # Nearly everything: some faults show only in an engine that was asked something.
    rollout = await patient(stage, percent=99)
    asking = [asyncio.create_task(stage.chat()) for _ in range(4)]
    fault(stage.faulty)
    looks = looks_at(stage.faulty.supervisor, "/runtime/status")
    event = await stage.event(rollout, "rolled_back")
    for each in asking:
        each.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    assert words in event["sentence"]
    assert 0 < before(looks, written(event)) * pace < SECONDS


async def chats_at(engine: ScriptedEngine, stage: Stage) -> int:
    """Send some chats, and return how many of them an engine got."""
    before = len(engine.requests)
    for _ in range(20):
        assert await stage.chat() == 200
    return len(engine.requests) - before


async def all_taken_back(stage: Watched) -> None:
    """Wait until no chat goes to the new engine."""
    async with asyncio.timeout(PATIENCE):
        while await chats_at(stage.new, stage):
            await asyncio.sleep(0.1)


def taken_back(event: dict[str, Any]) -> datetime:
    """Return when a machine took its traffic back, as it wrote that down later."""
    return datetime.fromtimestamp(event["figures"]["ordered_at"], UTC)


async def test_without_a_database_the_machine_rolls_back_by_itself_and_writes_it_later(
    stage: Watched, postgres: TestPostgres, database_url: str
) -> None:
    rollout = await patient(stage)
    assert await chats_at(stage.new, stage)
    await postgres.set_reachable(database_url, False)
    stage.faulty.out_of_memory()
    looks = looks_at(stage.faulty.supervisor, "/runtime/status")
    await all_taken_back(stage)
    await postgres.set_reachable(database_url, True)
    event = await stage.event(rollout, "rolled_back")
    assert 0 < before(looks, taken_back(event)) * ANSWERED < SECONDS
    assert event["actor"] == "sentinel"
    assert "out of memory" in event["sentence"]
    assert "before the database had it" in event["sentence"]
    assert "CUDA out of memory" in event["figures"]["alarms"][0]
    assert (await stage.admin(f"/{rollout}"))["status"] == "rolled_back"
    assert await chats_at(stage.new, stage) == 0


@asynccontextmanager
async def controller_that_does_nothing(postgres: TestPostgres, url: str) -> AsyncIterator[None]:
    """Let somebody hold the controller's lease until the block ends."""
    claim = (
        "UPDATE rollout_lease SET holder = 'somebody that sleeps', token = token + 1, "
        "expires_at = clock_timestamp() + interval '5 seconds'"
    )

    async def hold() -> None:
        while True:
            await postgres.execute(url, claim)
            await asyncio.sleep(0.5)

    holding = asyncio.create_task(hold())
    try:
        yield
    finally:
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)


async def test_without_a_controller_the_machine_rolls_back_by_itself(
    stage: Watched, postgres: TestPostgres, database_url: str
) -> None:
    rollout = await patient(stage)
    async with controller_that_does_nothing(postgres, database_url):
        stage.faulty.out_of_memory()
        looks = looks_at(stage.faulty.supervisor, "/runtime/status")
        await all_taken_back(stage)
    event = await stage.event(rollout, "rolled_back")
    assert event["actor"] == "sentinel"
    assert 0 < before(looks, taken_back(event)) * ANSWERED < SECONDS


async def test_engines_are_looked_at_more_often_while_they_are_judged(
    tmp_path: Path, database_url: str
) -> None:
    async with scripted_engine() as old, scripted_engine() as new, scripted_engine() as other:
        config = stage_config(*(tmp_path, database_url, old.url, new.url), gates_command=GATES_HOLD)
        text = config.read_text() + f'[upstreams.other]\nbase_url = "{other.url}"\n'
        config.write_text(text)
        async with running_api(config) as api:
            stage = Stage(api, old, new)
            rollout = await stage.started(judging={"min_requests": 1_000_000})
            await stage.flipped(rollout, await stage.event(rollout, "started"))
            judged = [looks_at(old), looks_at(new)]
            usual = looks_at(other)
            async with asyncio.timeout(PATIENCE):
                while len(usual) < 3:
                    await asyncio.sleep(0.05)
    # Every half second instead of every two.
    assert min(map(len, judged)) > 2 * len(usual)


async def slow_to_say_so(exchange: Exchange) -> None:
    """Be well, and take longer to say so than a look at a candidate usually may."""
    await asyncio.sleep(1.2 * CANDIDATE_TIMEOUT)
    await answer_probe(exchange)


async def silent(exchange: Exchange) -> None:
    await exchange.caller_gone()


async def some_looks(looks: list[datetime], count: int) -> None:
    """Wait until there were more looks."""
    wanted = len(looks) + count
    async with asyncio.timeout(PATIENCE):
        while len(looks) < wanted:
            await asyncio.sleep(0.05)


async def test_health_endpoints_that_are_slow_alike_are_no_alarm(stage: Watched) -> None:
    rollout = await patient(stage)
    stage.old.probe_script = stage.new.probe_script = slow_to_say_so
    await some_looks(looks_at(stage.new), 6)
    assert (await stage.admin(f"/{rollout}"))["status"] == "running"


async def test_engines_that_are_silent_alike_are_no_alarm_until_one_is_back(stage: Watched) -> None:
    rollout = await patient(stage)
    stage.old.probe_script = stage.new.probe_script = silent
    await some_looks(looks_at(stage.new), 5)
    assert (await stage.admin(f"/{rollout}"))["status"] == "running"
    stage.old.probe_script = answer_probe
    event = await stage.event(rollout, "rolled_back")
    assert "is down: no answer in time" in event["sentence"]
