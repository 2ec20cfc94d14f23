"""The API as replicas on a cluster: deployed, brought to another configuration, and taken away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from ray import serve

from llm_provider_testing.scripted_engine import scripted_engine
from querylake_api.configuration.loading import Configuration, load_configuration
from querylake_api.ray_serve.deployment import Listening, Scale, deploy, undeploy
from querylake_api.ray_serve.errors import ConfigurationDiffers, DeploymentFailed, NotDeployed
from querylake_api.ray_serve.replica import Replica
from querylake_api_testing.replicas import replicas
from querylake_api_testing.running import write_config
from request_replay.agreement import APPLICATION

TWO = Scale(min_replicas=2, max_replicas=2, cpus=0.1)


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


async def test_another_configuration_replaces_the_replicas_and_then_they_are_gone(
    cluster: str, folder: Path, port: int, client: httpx.AsyncClient
) -> None:
    async with scripted_engine() as engine:
        first = _write(folder, engine.url)
        await asyncio.to_thread(deploy, first, TWO, Listening("127.0.0.1", port))
        before = set(replicas())
        assert len(before) == 2
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
