"""`/admin/overview`: engines, models, shares, traffic, and what needs a human."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from llm_provider_testing.scripted_engine import Exchange, scripted_engine
from querylake_api.console.overview import RecentOverview
from querylake_api_testing.rollout_stage import Stage, rollout_stage
from querylake_api_testing.running import RunningApi, running_api, write_config
from waiting_testing.waiting import PATIENCE


async def overview(api: RunningApi, since: int = 0) -> dict[str, Any]:
    """Return the overview once it is not one from before this call."""
    await asyncio.sleep(1.0)  # its own rule: an overview is good for a second
    response = await api.get(f"/admin/overview?since={since}", key=api.admin_key)
    assert response.status_code == 200
    document: dict[str, Any] = response.json()
    return document


async def until_it_says(api: RunningApi, title: str) -> dict[str, Any]:
    """Return the thing that needs a human once the overview has it."""
    async with asyncio.timeout(PATIENCE):
        while True:
            for item in (await overview(api))["attention"]:
                if title in item["title"]:
                    return dict(item)


async def test_shares_are_planned_and_seen(tmp_path: Path, database_url: str) -> None:
    async with rollout_stage(tmp_path, database_url) as stage:
        await overview(stage.api)
        await stage.started(
            title="a new engine",
            steps=[{"percent": 25, "bake_seconds": 900}, {"percent": 50}],
        )
        for _ in range(40):
            await stage.chat()
        seen = await overview(stage.api)
        [model] = seen["models"]
        assert model["rollout"] == {
            "id": model["rollout"]["id"],
            "title": "a new engine",
            "status": "running",
            "percent": 25.0,
        }
        old, new = model["targets"]
        assert (old["planned_share"], new["planned_share"]) == (0.75, 0.25)
        assert old["requests"] + new["requests"] == 40
        assert old["share"] == pytest.approx(old["requests"] / 40)
        assert seen["attention"] == []
        named = dict(zip(seen["columns"], seen["minute"], strict=True))
        assert (named["requests"], named["failures"]) == (40, 0)
        assert named["first_token_p50"] > 0


async def test_what_fails_comes_first_and_says_why(tmp_path: Path, database_url: str) -> None:
    async with rollout_stage(tmp_path, database_url) as stage:
        rollout = await stage.started(
            title="later", steps=[{"percent": 1, "bake_seconds": 900}, {"percent": 50}]
        )
        await stage.admin(f"/{rollout}/pause", {})
        notice = await until_it_says(stage.api, "Rollout of later is paused")
        assert (notice["level"], notice["page"]) == ("notice", "rollouts")

    async with scripted_engine() as engine:
        config = write_config(
            tmp_path,
            database=database_url,
            upstreams={"lonely": {"base_url": engine.url}},
            models={
                "m": {"capabilities": ["chat"], "targets": [{"upstream": "lonely", "model": "m"}]}
            },
            health={"interval_seconds": 0.1, "failures": 1, "timeout_seconds": 60},
        )
        async with running_api(config) as api:
            assert (await overview(api))["readiness"] == "ready"

            async def ill(exchange: Exchange) -> None:
                await exchange.whole({"error": "out of order"}, status=503)

            engine.probe_script = ill
            down = await until_it_says(api, "Engine lonely is down")
            assert down["level"] == "urgent"
            assert "503" in down["detail"]
            assert await until_it_says(api, "No stable engine serves m")
            levels = [item["level"] for item in (await overview(api))["attention"]]
            assert levels == sorted(levels, key=["urgent", "warning", "notice"].index)


async def test_an_engine_says_what_it_is(tmp_path: Path, database_url: str) -> None:
    async def vllm(exchange: Exchange) -> None:
        if exchange.request.path.endswith("/version"):
            await exchange.whole({"version": "0.13.0"})
        else:
            await exchange.whole({"object": "list", "data": [{"id": "m", "owned_by": "vllm"}]})

    async with rollout_stage(tmp_path, database_url) as stage:
        stage.old.script = stage.old.probe_script = vllm
        async with asyncio.timeout(PATIENCE):
            while True:
                engines = {each["name"]: each for each in (await overview(stage.api))["engines"]}
                if engines["old"]["kind"] is not None:
                    break
        assert (engines["old"]["kind"], engines["old"]["version"]) == ("vllm", "0.13.0")
        assert engines["new"]["version"] is None


async def test_many_who_look_cost_one_gathering_a_second(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gathered = 0
    gather = RecentOverview._gathered

    async def counted(self: RecentOverview, components: Any) -> Any:
        nonlocal gathered
        gathered += 1
        return await gather(self, components)

    monkeypatch.setattr(RecentOverview, "_gathered", counted)
    async with rollout_stage(tmp_path, database_url) as stage:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.gather(*(_look(stage) for _ in range(40)))
        assert 1 <= gathered <= 1 + (loop.time() - began)


async def _look(stage: Stage) -> None:
    response = await stage.api.get("/admin/overview", key=stage.api.admin_key)
    assert response.status_code == 200


async def test_only_administrators_see_it(api: RunningApi) -> None:
    for path in ("/admin/overview", "/admin/gates"):
        assert (await api.get(path)).status_code == 403
        assert (await api.client.get(path)).status_code == 401
