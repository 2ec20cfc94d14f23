"""What needs no statistics ends a rollout within five seconds, whoever is missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from llm_provider_testing.scripted_engine import (
    Exchange,
    Script,
    ScriptedEngine,
    answer_probe,
    scripted_engine,
)
from querylake_api_testing.databases import TestPostgres
from querylake_api_testing.rollout_stage import GATES_HOLD, Stage, hung_up, stage_config
from querylake_api_testing.running import running_api

SECONDS = 5.0
"""From the moment that a fault can be seen to the end of the rollout."""

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


async def patient(stage: Watched) -> str:
    """Start a rollout that no evidence will end."""
    rollout = await stage.started(judging={"min_requests": 1_000_000})
    await stage.flipped(rollout, await stage.event(rollout, "started"))
    return rollout


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Faulty.out_of_memory, "ran out of memory: CUDA out of memory"),
        (Faulty.restarting, "was restarted while the rollout ran"),
        (Faulty.failed, "is down: its supervisor says failed"),
        (Faulty.cut_off, "candidate's engine 'new'"),
        (Faulty.unreachable, "candidate's engine 'new'"),
        (Faulty.frozen, "is down: no answer in time"),
        (Faulty.stuck, "has requests and made no token"),
        (Faulty.stuck_while_idle, "has requests and made no token"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_a_fault_that_can_be_seen_ends_it_within_five_seconds(
    stage: Watched, fault: Callable[[Faulty], None], words: str
) -> None:
    rollout = await patient(stage)
    asking = [asyncio.create_task(stage.chat()) for _ in range(4)]
    fault(stage.faulty)
    began = asyncio.get_running_loop().time()
    event = await stage.event(rollout, "rolled_back")
    took = asyncio.get_running_loop().time() - began
    for each in asking:
        each.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    assert words in event["sentence"]
    assert took < SECONDS


async def chats_at(engine: ScriptedEngine, stage: Stage) -> int:
    """Send some chats, and return how many of them an engine got."""
    before = len(engine.requests)
    for _ in range(20):
        assert await stage.chat() == 200
    return len(engine.requests) - before


async def all_taken_back(stage: Watched) -> float:
    """Wait until no chat goes to the new engine, and return the seconds that took."""
    began = asyncio.get_running_loop().time()
    async with asyncio.timeout(60):
        while await chats_at(stage.new, stage):
            await asyncio.sleep(0.1)
    return asyncio.get_running_loop().time() - began


async def test_without_a_database_the_machine_rolls_back_by_itself_and_writes_it_later(
    stage: Watched, postgres: TestPostgres, database_url: str
) -> None:
    rollout = await patient(stage)
    assert await chats_at(stage.new, stage)
    await postgres.set_reachable(database_url, False)
    stage.faulty.out_of_memory()
    assert await all_taken_back(stage) < SECONDS
    await postgres.set_reachable(database_url, True)
    event = await stage.event(rollout, "rolled_back")
    assert event["actor"] == "sentinel"
    assert "out of memory" in event["sentence"]
    assert "before the database had it" in event["sentence"]
    assert "CUDA out of memory" in event["figures"]["alarms"][0]
    assert (await stage.admin(f"/{rollout}"))["status"] == "rolled_back"
    assert await chats_at(stage.new, stage) == 0


async def test_without_a_controller_the_machine_rolls_back_by_itself(
    stage: Watched, postgres: TestPostgres, database_url: str
) -> None:
    rollout = await patient(stage)
    await postgres.execute(
        database_url,
        "UPDATE rollout_lease SET holder = 'somebody that died', token = token + 1, "
        "expires_at = clock_timestamp() + interval '5 seconds'",
    )
    stage.faulty.out_of_memory()
    assert await all_taken_back(stage) < SECONDS
    event = await stage.event(rollout, "rolled_back")
    assert event["actor"] == "sentinel"


async def test_engines_are_looked_at_more_often_while_they_are_judged(stage: Watched) -> None:
    looks: dict[str, list[float]] = {"old": [], "new": []}

    def counted(name: str) -> Script:
        async def script(exchange: Exchange) -> None:
            if exchange.request.path == "/health":
                looks[name].append(asyncio.get_running_loop().time())
            await answer_probe(exchange)

        return script

    await patient(stage)
    stage.old.probe_script, stage.new.probe_script = counted("old"), counted("new")
    async with asyncio.timeout(60):
        while min(map(len, looks.values())) < 4:
            await asyncio.sleep(0.05)
    for name, moments in looks.items():
        assert moments[3] - moments[0] < 4, f"at the usual pace, {name} would be looked at for 6 s"
