"""Pairs of answers in a rollout: a difference rolls it back, and equivalence lets it through."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from llm_provider_testing.scripted_engine import Exchange, scripted_engine
from querylake_api_testing.rollout_stage import GATES_HOLD, PLAN, Stage, stage_config
from querylake_api_testing.running import running_api
from waiting_testing.waiting import PATIENCE

PARITY: dict[str, Any] = {"percent": 100, "own_percent": 20}
JUDGING = {**PLAN["judging"], "min_requests": 5}
# No user's request goes to the candidate: what is found is found on pairs alone.
SHADOWED = [{"percent": 0, "shadow_percent": 50, "bake_seconds": 0}]


def answering(prompt_tokens: int = 9, **message: object) -> Any:
    async def script(exchange: Exchange) -> None:
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **message}}
        usage = {"prompt_tokens": prompt_tokens, "completion_tokens": 2, "total_tokens": 11}
        await exchange.whole({"id": "x", "choices": [choice], "usage": usage, "model": "m"})

    return script


@pytest.fixture
async def stage(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stage]:
    monkeypatch.setenv("QUERYLAKE_CORPUS_KEY", base64.b64encode(bytes(32)).decode())
    async with scripted_engine() as old, scripted_engine() as new:
        config = stage_config(tmp_path, database_url, old.url, new.url, gates_command=GATES_HOLD)
        config.write_text(
            config.read_text() + '\n[parity.corpus]\nmodels = ["chatty"]\nshare = 0.001\n'
        )
        old.script = new.script = answering(content="Paris.")
        async with running_api(config) as api:
            yield Stage(api, old, new)


async def parity(stage: Stage, rollout: str) -> dict[str, Any]:
    answer = await stage.api.get(f"/admin/parity/rollouts/{rollout}", key=stage.api.admin_key)
    assert answer.is_success, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def test_a_difference_rolls_back_with_its_cause_and_examples(stage: Stage) -> None:
    stage.new.script = answering(prompt_tokens=10, content="Paris.")
    rollout = await stage.started(steps=SHADOWED, judging=JUDGING, parity=PARITY)
    async with stage.load() as statuses:
        event = await stage.event(rollout, "rolled_back")
    assert statuses.keys() == {200}
    assert "'prompt tokens' on the candidate only" in event["sentence"]
    assert "9 tokens and 10" in event["sentence"]
    assert "chat-template" in event["sentence"]
    told = await parity(stage, rollout)
    assert told["verdict"]["standing"] == "different"
    assert told["verdict"]["causes"] == ["another chat template"]
    example = told["examples"][0]
    assert json.loads(example["request"])["model"] == "chatty"
    assert example["old"].startswith("Paris.")


async def test_equivalent_answers_are_required_for_the_last_step(stage: Stage) -> None:
    plan = {**PARITY, "margin": 0.2}
    rollout = await stage.started(steps=SHADOWED, judging=JUDGING, parity=plan)
    async with stage.load():
        await stage.event(rollout, "promoted")
    verdict = (await parity(stage, rollout))["verdict"]
    assert verdict["standing"] == "equivalent"
    assert verdict["pairs"] >= 20
    assert verdict["own_pairs"] > 0


async def test_without_equivalence_it_waits_and_a_person_can_override(stage: Stage) -> None:
    plan = {**PARITY, "percent": 0.001}
    rollout = await stage.started(steps=SHADOWED, judging=JUDGING, parity=plan)
    async with stage.load(), asyncio.timeout(PATIENCE):
        while True:
            judgement = (await stage.admin(f"/{rollout}"))["judgement"] or {}
            if "not decided after 0 pairs" in judgement.get("reason", ""):
                break
            await asyncio.sleep(0.05)
    refused = await stage.api.post(
        f"/admin/rollouts/{rollout}/promote", {}, key=stage.api.admin_key
    )
    assert refused.status_code == 409
    override = {"override_by": "A. Person", "override_reason": "compared by hand"}
    promoted = await stage.admin(f"/{rollout}/promote", override)
    assert promoted["status"] == "promoted"


async def test_a_rollout_without_pairs_costs_nothing_and_says_so(stage: Stage) -> None:
    rollout = await stage.started(steps=[{"percent": 1, "bake_seconds": 3600}])
    await stage.flipped(rollout, await stage.event(rollout, "started"))
    for _ in range(5):
        assert await stage.chat(stream=False) == 200
    assert len(stage.old.requests) + len(stage.new.requests) == 5
    answer = await stage.api.get(f"/admin/parity/rollouts/{rollout}", key=stage.api.admin_key)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "rollout_without_parity"


async def test_what_pairs_cost_is_counted(stage: Stage) -> None:
    rollout = await stage.started(steps=SHADOWED, judging=JUDGING, parity=PARITY)
    async with stage.load(), asyncio.timeout(PATIENCE):
        while (await parity(stage, rollout))["verdict"]["pairs"] < 3:
            await asyncio.sleep(0.05)
    text = (await stage.api.client.get("/metrics")).text
    lines = [line for line in text.splitlines() if line.startswith("querylake_parity_tokens")]
    assert len(lines) == 2, text
