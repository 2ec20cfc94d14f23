"""`deploy` and `undeploy` on a cluster that somebody else has started, which goes on."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import httpx

from llm_provider_testing.scripted_engine import scripted_engine
from loopback_testing.ports import free_port
from querylake_api.configuration.loading import load_configuration
from querylake_api.keys.models import Scope
from querylake_api_testing.ray_head import TOKEN, RayHead
from querylake_api_testing.replicas import replicas
from querylake_api_testing.running import create_key, write_config

CHAT = {"model": "chatty", "messages": []}
SECONDS = 280


async def command(*words: str) -> tuple[int | None, str]:
    """Run `querylake_api` and return its exit code and all that it wrote."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "querylake_api", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "RAY_AUTH_TOKEN": TOKEN,
        },
    )
    async with asyncio.timeout(SECONDS):
        written, _ = await process.communicate()
    return process.returncode, written.decode()


async def test_it_comes_and_goes_and_the_cluster_stays(head: RayHead, folder: Path) -> None:
    free = free_port()
    (home := folder / "existing").mkdir()
    home.chmod(0o755)
    before = set(replicas())
    async with scripted_engine() as engine:
        target = {"upstream": "engine", "model": "chatty"}
        config = write_config(
            home,
            database="embedded:postgres",
            upstreams={"engine": {"base_url": engine.url}},
            models={"chatty": {"capabilities": ["chat"], "targets": [target]}},
        )
        python = f"env PYTHONPATH={os.pathsep.join(filter(None, sys.path))} {sys.executable}"
        code, said = await command(
            *("deploy", "--config", str(config), "--address", head.address),
            *("--dashboard", head.dashboard, "--port", str(free)),
            *("--cpus", "0.1", "--max-replicas", "1", "--python", python),
        )
        assert code == 0, said
        url = f"http://127.0.0.1:{free}"
        assert f"QueryLake answers on {url}." in said
        key = await create_key(load_configuration(config), scopes=(Scope.INFERENCE,))
        async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
            headers = {"authorization": f"Bearer {key.secret}"}
            answer = await client.post("/v1/chat/completions", json=CHAT, headers=headers)
            assert answer.status_code == 200, answer.text
        # The command has ended, and what it brought goes on; so does what it found.
        assert len(set(replicas()) - before) == 1
        code, said = await command("undeploy", "--address", head.address)
        assert code == 0, said
        assert set(replicas()) <= before
        code, said = await command("undeploy", "--address", head.address)
        assert code != 0
        assert "nothing was changed" in said
    assert head.process.poll() is None
    assert head.answers()
