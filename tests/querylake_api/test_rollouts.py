"""Rollouts through the API: two engines, real traffic, a real database."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from llm_provider_testing.scripted_engine import (
    Exchange,
    ScriptedEngine,
    answer_chat,
    scripted_engine,
)
from querylake_api_testing.databases import TestPostgres
from querylake_api_testing.running import RunningApi, running_api, write_config

PATIENCE = 150
"""Seconds that a rollout may take on a busy machine; on an idle one it is a matter of a few."""

PLAN: dict[str, Any] = {
    "model": "chatty",
    "steps": [{"percent": 50, "bake_seconds": 0}],
    "sticky": False,
    "judging": {"min_requests": 20, "error_margin": 0.2},
}

MakeConfig = Callable[..., Path]


@dataclass(frozen=True)
class Stage:
    """An API in front of two engines."""

    api: RunningApi
    old: ScriptedEngine
    new: ScriptedEngine

    async def admin(self, path: str, document: object | None = None) -> Any:
        """Ask or tell the API as an operator."""
        api = self.api
        where = f"/admin/rollouts{path}"
        if document is None:
            answer = await api.get(where, key=api.admin_key)
        else:
            answer = await api.post(where, document, key=api.admin_key)
        assert answer.is_success, answer.text
        return answer.json()

    async def started(self, **changes: object) -> str:
        """Create a rollout and start it."""
        created = await self.admin("", PLAN | changes)
        await self.admin(f"/{created['id']}/start", {})
        return str(created["id"])

    async def events(self, rollout: str) -> list[dict[str, Any]]:
        """Return what happened so far."""
        events: list[dict[str, Any]] = (await self.admin(f"/{rollout}/events"))["data"]
        return events

    async def event(self, rollout: str, kind: str) -> dict[str, Any]:
        """Wait for something to happen."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for event in await self.events(rollout):
                    if event["kind"] == kind:
                        return event
                await asyncio.sleep(0.05)

    async def chat(self) -> int:
        """Send one streamed chat, and return the status."""
        document = {"model": "chatty", "stream": True, "messages": []}
        return (await self.api.post("/v1/chat/completions", document)).status_code

    @asynccontextmanager
    async def load(self) -> AsyncIterator[Counter[int]]:
        """Send chats one after the other, on a few connections, for as long as the block lasts."""
        statuses: Counter[int] = Counter()

        async def client() -> None:
            while True:
                statuses[await self.chat()] += 1

        clients = [asyncio.create_task(client()) for _ in range(4)]
        try:
            yield statuses
        finally:
            for each in clients:
                each.cancel()
            await asyncio.gather(*clients, return_exceptions=True)


@pytest.fixture
def make_config(tmp_path: Path, database_url: str) -> MakeConfig:
    def make(old: str, new: str, capabilities: tuple[str, ...] = ("chat",), **extra: Any) -> Path:
        path = write_config(
            tmp_path,
            database=database_url,
            upstreams={"old": {"base_url": old}, "new": {"base_url": new}},
            models={
                "chatty": {
                    "capabilities": list(capabilities),
                    "targets": [
                        {"upstream": "old", "model": "m"},
                        {"upstream": "new", "model": "m", "role": "candidate"},
                    ],
                }
            },
        )
        lines = [f"{name} = {json.dumps(value)}" for name, value in extra.items()]
        path.write_text(path.read_text() + "\n".join(["[rollouts]", *lines, ""]))
        return path

    return make


@pytest.fixture
async def stage(make_config: MakeConfig, tmp_path: Path) -> AsyncIterator[Stage]:
    gates = [sys.executable, "-c", 'print(\'{"holds": true, "gates": []}\')']
    async with scripted_engine() as old, scripted_engine() as new:
        config = make_config(old.url, new.url, gates_command=gates)
        async with running_api(config) as api:
            yield Stage(api, old, new)


Script = Callable[[Exchange], Awaitable[None]]


def every(nth: int, fault: Script) -> Script:
    """Return a script that shows a fault in every nth chat and is well otherwise."""
    numbers = itertools.count(1)

    async def script(exchange: Exchange) -> None:
        if exchange.request.method == "POST" and next(numbers) % nth == 0:
            await fault(exchange)
        else:
            await answer_chat(exchange)

    return script


async def in_band_error(exchange: Exchange) -> None:
    await exchange.begin_stream()
    await exchange.token("one")
    await exchange.piece(b'data: {"error": {"message": "engine died", "code": 500}}\n\n')
    await exchange.end_stream()


async def truncated(exchange: Exchange) -> None:
    await exchange.begin_stream()
    await exchange.token("one")
    await exchange.end_stream(done=False)


async def refused(exchange: Exchange) -> None:
    await exchange.whole({"error": {"message": "no"}}, status=500)


async def hung_up(exchange: Exchange) -> None:
    exchange.reset()


async def test_a_sound_candidate_is_promoted_and_can_still_be_taken_back(stage: Stage) -> None:
    async with stage.load() as statuses:
        rollout = await stage.started()
        promoted = await stage.event(rollout, "promoted")
        await stage.event(rollout, "flipped")
        assert promoted["actor"] == "controller"
        assert promoted["figures"]["gates"] == {"holds": True, "gates": []}
        assert "not worse" in promoted["sentence"]
        before = len(stage.old.requests)
        for _ in range(20):
            assert await stage.chat() == 200
        answer = await stage.admin(f"/{rollout}/rollback", {"reason": "it was a Friday"})
        assert answer == {"id": rollout, "status": "rolled_back", "recorded": True}
        at_rollback = len(stage.new.requests)
        for _ in range(20):
            assert await stage.chat() == 200
    chats_after = [r for r in stage.new.requests[at_rollback:] if r.method == "POST"]
    assert len(chats_after) <= 4, "only what was under way"
    assert len(stage.old.requests) > before
    assert set(statuses) == {200}


@pytest.mark.parametrize("fault", [in_band_error, truncated, refused])
async def test_a_faulty_candidate_is_rolled_back_with_the_figures(
    stage: Stage, fault: Script
) -> None:
    stage.new.script = every(3, fault)
    async with stage.load():
        rollout = await stage.started()
        event = await stage.event(rollout, "rolled_back")
        flipped = await stage.event(rollout, "flipped")
    errors = next(s for s in event["figures"]["signals"] if s["signal"] == "errors")
    assert errors["word"] == "worse"
    assert errors["candidate"]["rate"] > 0.15 > errors["stable"]["rate"] == 0
    assert errors["candidate"]["low"] <= errors["candidate"]["rate"] <= errors["candidate"]["high"]
    assert "the candidate is worse" in event["sentence"]
    assert flipped["figures"]["workers"] == 1
    for _ in range(10):
        assert await stage.chat() == 200


async def test_a_candidate_that_is_gone_is_rolled_back_within_seconds(stage: Stage) -> None:
    async with stage.load():
        rollout = await stage.started(judging={"min_requests": 1_000_000})
        stage.new.script = stage.new.probe_script = hung_up
        began = asyncio.get_running_loop().time()
        event = await stage.event(rollout, "rolled_back")
        took = asyncio.get_running_loop().time() - began
    assert "candidate's engine 'new'" in event["sentence"]
    assert took < 15, "seconds on an idle machine"


async def test_a_pause_holds_and_a_promotion_needs_what_is_missing(stage: Stage) -> None:
    rollout = await stage.started()
    paused = await stage.admin(f"/{rollout}/pause", {"reason": "lunch"})
    assert (paused["status"], paused["percent"]) == ("paused", 50)
    api = stage.api
    path = f"/admin/rollouts/{rollout}/promote"
    refused_ = await api.post(path, {}, key=api.admin_key)
    assert refused_.status_code == 409
    assert "not through its last step" in refused_.json()["error"]["message"]
    half = await api.post(path, {"override_by": "Ada"}, key=api.admin_key)
    assert half.status_code == 422
    override = {"override_by": "Ada", "override_reason": "the old GPU burns"}
    promoted = await stage.admin(f"/{rollout}/promote", override)
    assert promoted["status"] == "promoted"
    event = await stage.event(rollout, "promoted")
    assert "Ada overrode" in event["sentence"]
    assert event["figures"]["overridden"]
    wrong = await api.post(f"/admin/rollouts/{rollout}/pause", {}, key=api.admin_key)
    assert wrong.status_code == 409
    assert "Allowed now: rollback" in wrong.json()["error"]["message"]


async def test_one_model_has_one_live_rollout_and_events_are_final(
    stage: Stage, postgres: TestPostgres, database_url: str
) -> None:
    await stage.started()
    second = await stage.admin("", PLAN)
    api = stage.api
    answer = await api.post(f"/admin/rollouts/{second['id']}/start", {}, key=api.admin_key)
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "rollout_in_progress"
    with pytest.raises(Exception, match="append-only"):
        await postgres.execute(database_url, "DELETE FROM rollout_events")


async def test_a_rollback_needs_no_database_and_is_written_later(
    stage: Stage, postgres: TestPostgres, database_url: str
) -> None:
    rollout = await stage.started()
    await postgres.set_reachable(database_url, False)
    path = f"/admin/rollouts/{rollout}/rollback"
    answer = await stage.api.post(path, {"reason": "bad answers"}, key=stage.api.admin_key)
    assert (answer.status_code, answer.json()["recorded"]) == (202, False)
    before = len([each for each in stage.new.requests if each.method == "POST"])
    for _ in range(20):
        assert await stage.chat() == 200
    assert len([each for each in stage.new.requests if each.method == "POST"]) == before
    await postgres.set_reachable(database_url, True)
    event = await stage.event(rollout, "rolled_back")
    assert "bad answers" in event["sentence"]
    assert "while the database was away" in event["sentence"]
    assert (await stage.admin(f"/{rollout}"))["status"] == "rolled_back"


async def test_shadow_copies_are_judged_and_no_client_ever_sees_one(stage: Stage) -> None:
    stage.new.script = every(2, refused)
    steps = [{"percent": 0, "shadow_percent": 80, "bake_seconds": 0}]
    async with stage.load() as statuses:
        rollout = await stage.started(steps=steps)
        await stage.event(rollout, "rolled_back")
    assert set(statuses) == {200}


async def test_a_model_without_a_candidate_has_no_rollout(api: RunningApi) -> None:
    answer = await api.post("/admin/rollouts", {"model": "embedder"}, key=api.admin_key)
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "no_candidate"


def embedder(*vectors: list[float], order: tuple[int, ...] = (0, 1, 2)) -> Script:
    async def script(exchange: Exchange) -> None:
        if exchange.request.method == "GET":
            await exchange.whole({"object": "list", "data": []})
        elif exchange.request.path.endswith("/embeddings"):
            texts = exchange.request.json()["input"]
            rows = [
                {"index": place, "embedding": vectors[place % len(vectors)]}
                for place in range(len(texts))
            ]
            await exchange.whole({"data": rows})
        else:
            results = [
                {"index": index, "relevance_score": 1 - rank / 10}
                for rank, index in enumerate(order)
            ]
            await exchange.whole({"results": results})

    return script


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        (embedder([1.0, 2.0], [2.0, 1.0]), None),
        (embedder([1.0, 2.0], [2.0, 1.2]), "vectors of the two stacks differ"),
        (embedder([1.0, 2.0, 0.0]), "smallest cosine is 0.0000"),
        (embedder([1.0, 2.0], [2.0, 1.0], order=(2, 1, 0)), "rank the same texts"),
        (refused, "could not be compared"),
    ],
)
async def test_vectors_and_orders_must_agree_before_anything_is_mixed(
    make_config: MakeConfig, candidate: Script, words: str | None
) -> None:
    both = ("embeddings", "rerank")
    async with scripted_engine() as old, scripted_engine() as new:
        old.script, new.script = embedder([1.0, 2.0], [2.0, 1.0]), candidate
        async with running_api(make_config(old.url, new.url, both)) as api:
            refusal = await api.post("/admin/rollouts", PLAN, key=api.admin_key)
            assert refusal.json()["error"]["code"] == "embeddings_need_consent"
            plan = {**PLAN, "allow_embeddings": True}
            created = await api.post("/admin/rollouts", plan, key=api.admin_key)
            path = f"/admin/rollouts/{created.json()['id']}/start"
            started = await api.post(path, {}, key=api.admin_key)
    if words is None:
        assert started.status_code == 200
    else:
        assert started.status_code == 409
        assert words in started.json()["error"]["message"]
