"""The API as replicas on a cluster: deployed, under load, robbed of a replica, and taken away."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from ray import serve

from llm_provider_testing.scripted_engine import Exchange, answer_chat, scripted_engine
from querylake_api.configuration.loading import Configuration, load_configuration
from querylake_api.keys.models import Scope
from querylake_api.ray_serve.deployment import APPLICATION, Listening, Scale, deploy, undeploy
from querylake_api.ray_serve.errors import ConfigurationDiffers, DeploymentFailed, NotDeployed
from querylake_api.ray_serve.replica import Replica
from querylake_api_testing.replicas import replicas
from querylake_api_testing.running import create_key, write_config

TWO = Scale(min_replicas=2, max_replicas=2, cpus=0.1)
CHAT = {"model": "chatty", "messages": [{"role": "user", "content": "Hello."}]}


def _write(folder: Path, engine: str) -> Configuration:
    return load_configuration(
        write_config(
            folder,
            database="embedded:postgres",
            server={"drain_seconds": 5},
            upstreams={"engine": {"base_url": engine}},
            models={
                "chatty": {
                    "capabilities": ["chat"],
                    "targets": [{"upstream": "engine", "model": "chatty"}],
                }
            },
        )
    )


@pytest.fixture
async def client(port: int) -> AsyncIterator[httpx.AsyncClient]:
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as made:
        yield made


async def _slow_stream(exchange: Exchange) -> None:
    if exchange.request.method == "GET" or not exchange.request.json().get("stream"):
        await answer_chat(exchange)
        return
    await exchange.begin_stream()
    await exchange.token("one")
    await exchange.caller_gone()


async def test_two_replicas_under_load_of_which_one_is_killed(
    cluster: str, folder: Path, port: int, client: httpx.AsyncClient
) -> None:
    async with scripted_engine() as engine:
        engine.script = _slow_stream
        configuration = _write(folder, engine.url)
        await asyncio.to_thread(deploy, configuration, TWO, Listening("127.0.0.1", port))
        first = replicas()
        assert len(first) == 2
        key = await create_key(configuration, scopes=(Scope.INFERENCE,))
        client.headers["authorization"] = f"Bearer {key.secret}"

        stopping = asyncio.Event()
        seen: Counter[int] = Counter()

        async def ask() -> None:
            while not stopping.is_set():
                try:
                    answer = await client.post("/v1/chat/completions", json=CHAT)
                    seen[answer.status_code] += 1
                except httpx.HTTPError:
                    seen[0] += 1

        async def stream() -> bytes:
            received = b""
            try:
                async with client.stream(
                    "POST", "/v1/chat/completions", json={**CHAT, "stream": True}
                ) as answer:
                    begun.release()
                    async for piece in answer.aiter_bytes():
                        received += piece
            except httpx.HTTPError:
                return received
            return received

        begun = asyncio.Semaphore(0)
        streams = [asyncio.create_task(stream()) for _ in range(6)]
        async with asyncio.timeout(120):
            for _ in streams:
                await begun.acquire()
            asking = [asyncio.create_task(ask()) for _ in range(4)]
            while seen[200] < 20:
                await asyncio.sleep(0.02)
            before = seen[200]
            os.kill(first[0], signal.SIGKILL)
            while seen[200] < before + 100 or len(set(replicas()) - {first[0]}) < 2:
                await asyncio.sleep(0.05)
        stopping.set()
        await asyncio.gather(*asking)

        # What the dead replica had in its hands cannot be saved: at most what was asked at once.
        failed = sum(number for status, number in seen.items() if status != 200)
        assert failed <= len(asking), seen
        ended = [each for each in streams if each.done()]
        assert 0 < len(ended) < len(streams), "streams of the other replica go on"
        for each in streams:
            each.cancel()
        await asyncio.gather(*streams, return_exceptions=True)


async def test_another_configuration_replaces_the_replicas_and_then_they_are_gone(
    cluster: str, folder: Path, port: int, client: httpx.AsyncClient
) -> None:
    before = set(replicas())
    async with scripted_engine() as engine:
        configuration = _write(folder, engine.url)
        await asyncio.to_thread(deploy, configuration, TWO, Listening("127.0.0.1", port))
        assert set(replicas()).isdisjoint(before)
        assert (await client.get("/readyz")).json()["status"] == "ready"

    await asyncio.to_thread(undeploy)
    assert APPLICATION not in serve.status().applications
    with pytest.raises(NotDeployed):
        await asyncio.to_thread(undeploy)


async def test_what_cannot_start_is_told_in_a_sentence_and_taken_away(
    cluster: str, folder: Path, port: int, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("not a folder")
    configuration = load_configuration(
        write_config(tmp_path, database="embedded:postgres", server={"state_dir": "taken"})
    )

    with pytest.raises(DeploymentFailed, match="server.state_dir") as failed:
        await asyncio.to_thread(deploy, configuration, TWO, Listening("127.0.0.1", port))

    assert len(str(failed.value).splitlines()) == 1
    assert APPLICATION not in serve.status().applications


async def test_a_node_with_another_file_refuses(folder: Path) -> None:
    async with scripted_engine() as engine:
        configuration = _write(folder, engine.url)
    start: Any = Replica.__init__

    with pytest.raises(ConfigurationDiffers, match="copy the file"):
        await start(Replica.__new__(Replica), str(configuration.path), "0" * 12)
