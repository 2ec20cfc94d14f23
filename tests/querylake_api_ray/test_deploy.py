"""The API as replicas on a cluster: deployed, brought to another configuration, and taken away."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from ray import serve

from llm_provider_testing.scripted_engine import in_two_parts, scripted_engine
from querylake_api.configuration.loading import Configuration, load_configuration
from querylake_api.keys.models import Scope
from querylake_api.ray_serve.deployment import Listening, Scale, deploy, undeploy
from querylake_api.ray_serve.errors import ConfigurationDiffers, DeploymentFailed, NotDeployed
from querylake_api.ray_serve.replica import Replica
from querylake_api_testing.replicas import replicas
from querylake_api_testing.running import create_key, write_config
from request_replay.agreement import APPLICATION
from waiting_testing.waiting import PATIENCE

CHATS = "/v1/chat/completions"
STREAM = {"model": "chatty", "stream": True, "messages": []}
TWO = Scale(min_replicas=2, max_replicas=2, cpus=0.1)


def _write(folder: Path, engine: str) -> Configuration:
    return load_configuration(
        write_config(
            folder,
            database="embedded:postgres",
            server={"drain_seconds": PATIENCE},
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


@pytest.fixture
async def _served(cluster: str, folder: Path, port: int) -> AsyncIterator[None]:
    """Have one replica."""
    async with scripted_engine() as engine:
        one = Scale(min_replicas=1, max_replicas=1, cpus=0.1)
        configuration = _write(folder, engine.url)
        await asyncio.to_thread(deploy, configuration, one, Listening("127.0.0.1", port))
        yield
        await asyncio.to_thread(undeploy)


@asynccontextmanager
async def somebody_else_s(client: httpx.AsyncClient) -> AsyncIterator[None]:
    """Have another application in the cluster, and see at the end that nothing touched it."""

    class Theirs:
        async def __call__(self, request: object) -> str:
            return str(os.getpid())

    deployment = serve.deployment(ray_actor_options={"num_cpus": 0})(Theirs)
    serve.run(deployment.bind(), name="theirs", route_prefix="/theirs")
    before = (await client.get("/theirs")).text
    yield
    assert (await client.get("/theirs")).text == before
    serve.delete("theirs")


async def test_another_configuration_replaces_the_replicas_and_then_they_are_gone(
    cluster: str, folder: Path, port: int, client: httpx.AsyncClient
) -> None:
    listening = Listening("127.0.0.1", port)
    finish = asyncio.Event()
    async with scripted_engine() as engine, scripted_engine() as newer:
        engine.script = in_two_parts(finish)
        first = _write(folder, engine.url)
        await asyncio.to_thread(deploy, first, TWO, listening)
        before = set(replicas())
        assert len(before) == 2
        key = (await create_key(first, scopes=(Scope.INFERENCE,))).secret
        headers = {"authorization": f"Bearer {key}"}
        async with (
            somebody_else_s(client),
            client.stream("POST", CHATS, json=STREAM, headers=headers) as answer,
        ):
            pieces = answer.aiter_bytes()
            begun = await anext(pieces)
            second = _write(folder, newer.url)
            deploying = asyncio.create_task(asyncio.to_thread(deploy, second, TWO, listening))
            async with asyncio.timeout(PATIENCE):
                while not set(replicas()) - before:
                    await asyncio.sleep(0.1)
                finish.set()
                whole = begun + b"".join([piece async for piece in pieces])
                await deploying
            assert whole.endswith(b"data: [DONE]\n\n"), "it ends where it began"
            assert set(replicas()).isdisjoint(before)
            assert (await client.get("/readyz")).json()["status"] == "ready"
            await asyncio.to_thread(undeploy)
    assert APPLICATION not in serve.status().applications
    with pytest.raises(NotDeployed):
        await asyncio.to_thread(undeploy)


@pytest.mark.usefixtures("_served")
async def test_an_answer_has_one_id_and_it_is_ours(client: httpx.AsyncClient) -> None:
    for theirs in ("mine-1", "spaces in it", None):
        headers = {} if theirs is None else {"x-request-id": theirs}
        for path in ("/healthz", "/nowhere"):
            [told] = (await client.get(path, headers=headers)).headers.get_list("x-request-id")
            assert (told == theirs) == (theirs == "mine-1")
            assert " " not in told


async def test_replicas_come_with_requests(
    cluster: str, folder: Path, port: int, client: httpx.AsyncClient
) -> None:
    finish = asyncio.Event()
    async with scripted_engine() as engine:
        engine.script = in_two_parts(finish)
        configuration = _write(folder, engine.url)
        scale = Scale(min_replicas=1, max_replicas=2, target_requests=1, cpus=0.1)
        await asyncio.to_thread(deploy, configuration, scale, Listening("127.0.0.1", port))
        assert len(replicas()) == 1
        key = (await create_key(configuration, scopes=(Scope.INFERENCE,))).secret
        headers = {"authorization": f"Bearer {key}"}
        asking = [
            asyncio.create_task(client.post(CHATS, json=STREAM, headers=headers)) for _ in range(6)
        ]
        async with asyncio.timeout(PATIENCE):
            while len(replicas()) < 2:
                await asyncio.sleep(0.2)
            finish.set()
            answers = await asyncio.gather(*asking)
        assert all(answer.text.endswith("data: [DONE]\n\n") for answer in answers)
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
