"""Rollouts through the API: two engines, real traffic, a real database."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from llm_provider_testing.scripted_engine import (
    Exchange,
    Script,
    answer_chat,
    answer_probe,
    scripted_engine,
)
from querylake_api_testing.databases import TestPostgres
from querylake_api_testing.rollout_stage import (
    PLAN,
    Stage,
    every,
    in_band_error,
    refused,
    rollout_stage,
    stage_config,
    truncated,
)
from querylake_api_testing.running import RunningApi, running_api
from waiting_testing.waiting import PATIENCE


@pytest.fixture
async def stage(tmp_path: Path, database_url: str) -> AsyncIterator[Stage]:
    async with rollout_stage(tmp_path, database_url) as running:
        yield running


async def test_a_sound_candidate_is_promoted_and_can_still_be_taken_back(stage: Stage) -> None:
    async with stage.load() as statuses:
        rollout = await stage.started()
        promoted = await stage.event(rollout, "promoted")
        await stage.flipped(rollout, promoted)
        assert promoted["actor"] == "controller"
        assert promoted["figures"]["gates"] == {"holds": True, "gates": []}
        assert "not worse" in promoted["sentence"]
        assert {each["word"] for each in promoted["figures"]["signals"]} >= {"not worse"}
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
    async with stage.load(stream=True):
        rollout = await stage.started()
        event = await stage.event(rollout, "rolled_back")
        flipped = await stage.flipped(rollout, event)
    errors = next(s for s in event["figures"]["signals"] if s["signal"] == "failed")
    assert errors["word"] == "worse"
    assert errors["candidate"]["rate"] > 0.15 > errors["stable"]["rate"] == 0
    assert errors["candidate"]["low"] <= errors["candidate"]["rate"] <= errors["candidate"]["high"]
    assert "the candidate is worse" in event["sentence"]
    assert flipped["figures"]["workers"] == 1
    for _ in range(10):
        assert await stage.chat() == 200


async def test_metrics_that_fail_hold_a_rollout_and_say_so(stage: Stage) -> None:
    async def idle(exchange: Exchange) -> None:
        text = b"vllm:num_requests_running 0\nvllm:generation_tokens_total 70\n"
        if exchange.request.path == "/metrics":
            await exchange.whole(text, content_type="text/plain")
        else:
            await answer_probe(exchange)

    async def reason(rollout: str) -> str:
        return str(((await stage.admin(f"/{rollout}"))["judgement"] or {}).get("reason"))

    stage.new.probe_script = idle
    rollout = await stage.started(steps=[{"percent": 50, "bake_seconds": 600}])
    async with stage.load(), asyncio.timeout(PATIENCE):
        while "left to bake" not in await reason(rollout):
            await asyncio.sleep(0.1)
        stage.new.probe_script = answer_probe
        while "Inconclusive: nobody tells the progress of 'new'" not in await reason(rollout):
            await asyncio.sleep(0.1)


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
    assert "Bad answers" in event["sentence"]
    assert "before the database had it" in event["sentence"]
    assert (await stage.admin(f"/{rollout}"))["status"] == "rolled_back"


@pytest.mark.parametrize("end", ["rollback", "promote", "abort"])
async def test_streams_end_where_they_began(stage: Stage, end: str) -> None:
    going_on = asyncio.Event()

    def slow(name: str) -> Script:
        async def script(exchange: Exchange) -> None:
            await exchange.begin_stream()
            await exchange.token(name)
            await going_on.wait()
            await exchange.token(name, finish_reason="stop")
            await exchange.end_stream()

        return script

    stage.old.script, stage.new.script = slow("old"), slow("new")
    rollout = await stage.started()
    streams: list[asyncio.Task[tuple[str, ...]]] = []
    begun = {"old": 0, "new": 0}
    async with asyncio.timeout(PATIENCE):
        while min(begun.values()) < 3:  # each is drawn by itself
            streams.append(asyncio.create_task(stage.stream()))
            while sum(begun.values()) < len(streams):
                await asyncio.sleep(0.01)
                begun = {"old": len(stage.old.requests), "new": len(stage.new.requests)}
    override = {"override_by": "Ada", "override_reason": "a test"} if end == "promote" else {}
    await stage.admin(f"/{rollout}/{end}", override)
    stage.old.script = stage.new.script = answer_chat
    for _ in range(12):
        assert await stage.chat() == 200
    now_at = stage.new if end == "promote" else stage.old
    assert len(now_at.requests) - begun["new" if end == "promote" else "old"] == 12
    going_on.set()
    finished = Counter(await asyncio.gather(*streams))
    assert finished == {(name, name, "[DONE]"): count for name, count in begun.items()}


async def test_shadow_copies_are_judged_and_no_client_ever_sees_one(stage: Stage) -> None:
    stage.new.script = every(2, refused)
    steps = [{"percent": 0, "shadow_percent": 100, "bake_seconds": 0}]
    async with stage.load() as statuses:
        rollout = await stage.started(steps=steps)
        await stage.event(rollout, "rolled_back")
    assert set(statuses) == {200}


@pytest.mark.parametrize(
    ("steps", "complaint"),
    [
        ([], "steps: a rollout needs a step"),
        ([{"percent": 100}], "steps[0].percent: Input should be less than 100"),
        (
            [{"percent": 0, "shadow_percent": 101}],
            "steps[0].shadow_percent: Input should be less than or equal to 100",
        ),
        (
            [{"percent": 0}],
            "steps[0]: a step needs `percent` or `shadow_percent` above 0",
        ),
    ],
)
async def test_steps_that_make_no_sense_are_refused_with_one_reason(
    api: RunningApi, steps: list[dict[str, float]], complaint: str
) -> None:
    plan = {"model": "chatty", "steps": steps}
    answer = await api.post("/admin/rollouts", plan, key=api.admin_key)
    assert answer.status_code == 422
    assert answer.json()["error"]["message"] == complaint


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
    tmp_path: Path, database_url: str, candidate: Script, words: str | None
) -> None:
    both = ("embeddings", "rerank")
    async with scripted_engine() as old, scripted_engine() as new:
        old.script, new.script = embedder([1.0, 2.0], [2.0, 1.0]), candidate
        config = stage_config(tmp_path, database_url, old.url, new.url, capabilities=both)
        async with running_api(config) as api:
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
