"""A rollout over replicas: one of them judges, all follow, and the judge may die."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from llm_provider_testing.scripted_engine import scripted_engine
from querylake_api.configuration.loading import load_configuration
from querylake_api.keys.models import Scope
from querylake_api.ray_serve.deployment import Listening, Scale, deploy, undeploy
from querylake_api_testing.replicas import replicas
from querylake_api_testing.rollout_stage import GATES_HOLD, PLAN, every, refused, stage_config
from querylake_api_testing.running import create_key

TWO = Scale(min_replicas=2, max_replicas=2, cpus=0.1)
CHAT = {"model": "chatty", "stream": True, "messages": []}
SECONDS = 150


@asynccontextmanager
async def _load(client: httpx.AsyncClient) -> AsyncIterator[None]:
    async def ask() -> None:
        while True:
            await client.post("/v1/chat/completions", json=CHAT)

    tasks = [asyncio.create_task(ask()) for _ in range(4)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Operator:
    def __init__(self, client: httpx.AsyncClient, key: str) -> None:
        self._client = client
        self._headers = {"authorization": f"Bearer {key}"}

    async def ask(self, path: str, document: object | None = None) -> Any:
        method = "GET" if document is None else "POST"
        answer = await self._client.request(
            method, f"/admin/rollouts{path}", json=document, headers=self._headers
        )
        assert answer.is_success, answer.text
        return answer.json()

    async def started(self) -> str:
        rollout = str((await self.ask("", PLAN))["id"])
        await self.ask(f"/{rollout}/start", {})
        return rollout

    async def event(self, rollout: str, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(SECONDS):
            while True:
                for event in (await self.ask(f"/{rollout}/events"))["data"]:
                    if event["kind"] == kind:
                        return dict(event)
                await asyncio.sleep(0.1)


async def test_one_judges_all_follow_and_the_judge_may_die(
    cluster: str, folder: Path, port: int
) -> None:
    async with scripted_engine() as old, scripted_engine() as new:
        (home := folder / "rollouts").mkdir()
        home.chmod(0o755)
        config = stage_config(
            *(home, "embedded:postgres", old.url, new.url), gates_command=GATES_HOLD
        )
        configuration = load_configuration(config)
        await asyncio.to_thread(deploy, configuration, TWO, Listening("127.0.0.1", port))
        key = await create_key(configuration, scopes=(Scope.INFERENCE, Scope.ADMIN))
        headers = {"authorization": f"Bearer {key.secret}"}
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(
            base_url=url, timeout=60, trust_env=False, headers=headers
        ) as client:
            operator = _Operator(client, key.secret)
            new.script = every(3, refused)
            async with _load(client):
                rollout = await operator.started()
                decision = await operator.event(rollout, "rolled_back")
            assert decision["actor"] == "controller"
            events = (await operator.ask(f"/{rollout}/events"))["data"]
            assert [event["kind"] for event in events].count("rolled_back") == 1
            flipped = await operator.event(rollout, "flipped")
            assert flipped["figures"]["workers"] == 2

            second = await operator.started()
            for replica in replicas():  # one after the other, the judge among them
                os.kill(replica, signal.SIGKILL)
                async with asyncio.timeout(SECONDS):
                    while replica in replicas() or len(replicas()) < 2:
                        await asyncio.sleep(0.1)
            async with _load(client):
                await operator.event(second, "rolled_back")
            events = (await operator.ask(f"/{second}/events"))["data"]
            assert [event["kind"] for event in events].count("rolled_back") == 1
        await asyncio.to_thread(undeploy)
