"""`serve` as a process: its database, its signals, and what becomes of streams in flight."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import httpx

from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine, in_two_parts
from querylake_api.persistence.postmaster import find_postmaster
from querylake_api_testing.process import accepts, environment, serve_process
from querylake_api_testing.running import write_config
from waiting_testing.waiting import eventually

CHAT = {"model": "m", "messages": []}


def embedded_config(folder: Path, engine: ScriptedEngine, drain_seconds: float) -> Path:
    return write_config(
        folder,
        database="embedded:state/postgres",
        server={"port": 0, "drain_seconds": drain_seconds},
        upstreams={"engine": {"base_url": engine.url}},
        models={"m": {"capabilities": ["chat"], "targets": [{"upstream": "engine", "model": "m"}]}},
    )


async def keys(config: Path, *arguments: str) -> dict[str, str]:
    """Run a `keys` command beside the server."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "querylake_api",
        "keys",
        *arguments,
        "--config",
        str(config),
        "--json",
        stdout=asyncio.subprocess.PIPE,
        env=environment(),
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    document: dict[str, str] = json.loads(out)
    return document


def postgres_running(config: Path) -> bool:
    return (config.parent / "state" / "postgres" / "postmaster.pid").exists()


async def test_a_life_with_an_embedded_database(
    postgres_folder: Path, engine: ScriptedEngine
) -> None:
    config = embedded_config(postgres_folder, engine, drain_seconds=10)
    finish = asyncio.Event()

    engine.script = in_two_parts(finish)
    async with (
        serve_process(config) as server,
        httpx.AsyncClient(trust_env=False, timeout=60) as client,
    ):
        # The command line shares the embedded PostgreSQL with the server that runs.
        key = await keys(config, "create", "--name", "n")
        headers = {"authorization": f"Bearer {key['key']}"}
        async with client.stream(
            "POST",
            f"{server.url}/v1/chat/completions",
            json={**CHAT, "stream": True},
            headers=headers,
        ) as response:
            pieces = response.aiter_bytes()
            assert b"one" in await anext(pieces)
            ending = asyncio.create_task(server.end(signal.SIGTERM))
            await eventually(lambda: accepts(server.url), lambda accepting: not accepting)
            finish.set()
            rest = b"".join([piece async for piece in pieces])
        assert b" two" in rest
        assert rest.endswith(b"data: [DONE]\n\n")
        assert await ending == 0
    assert not postgres_running(config)

    # A server that was killed cannot stop PostgreSQL; its keeper does.
    async with serve_process(config) as server:
        await keys(config, "list")
        assert await server.end(signal.SIGKILL) == -signal.SIGKILL
    await eventually(lambda: not postgres_running(config))
    async with serve_process(config) as server:
        assert await server.end(signal.SIGINT) == 0
    assert not postgres_running(config)


async def test_postgres_is_started_again_under_several_workers_and_ends_with_the_last(
    postgres_folder: Path, engine: ScriptedEngine
) -> None:
    config = embedded_config(postgres_folder, engine, drain_seconds=10)
    folder = postgres_folder / "state" / "postgres"
    async with (
        serve_process(config, "--workers", "2") as server,
        httpx.AsyncClient(trust_env=False, timeout=60) as client,
    ):
        before = find_postmaster(folder)
        assert before is not None
        os.kill(before.pid, signal.SIGKILL)
        await server.logged(f"the embedded PostgreSQL in {folder} runs again")
        after = find_postmaster(folder)
        assert after is not None
        assert after.pid != before.pid
        # A key that no worker knows: whichever is asked looks it up in the new server.
        key = await keys(config, "create", "--name", "n")
        headers = {"authorization": f"Bearer {key['key']}"}
        async with asyncio.timeout(60):
            for _ in range(10):
                url = f"{server.url}/v1/chat/completions"
                response = await client.post(url, json=CHAT, headers=headers)
                while response.status_code == 503:
                    await asyncio.sleep(0.1)
                    response = await client.post(url, json=CHAT, headers=headers)
                assert response.status_code == 200, response.text
        # Workers whose parent is killed drain and end; so does the database that they shared.
        assert await server.end(signal.SIGKILL) == -signal.SIGKILL
        await eventually(lambda: find_postmaster(folder) is None)


async def test_what_the_drain_timeout_cuts_is_told_so(
    config_file: Path, engine: ScriptedEngine
) -> None:
    config_file.write_text(
        config_file.read_text(encoding="utf-8").replace("drain_seconds = 5", "drain_seconds = 0"),
        encoding="utf-8",
    )

    async def script(exchange: Exchange) -> None:
        if exchange.request.json().get("stream"):
            await exchange.begin_stream()
            await exchange.token("one")
        await exchange.caller_gone()

    engine.script = script
    async with serve_process(config_file, "--port", "0") as server:
        secret = (await keys(config_file, "create", "--name", "n"))["key"]
        headers = {"authorization": f"Bearer {secret}"}
        url = f"{server.url}/v1/chat/completions"
        body = {"model": "default", "messages": []}
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            waiting = asyncio.create_task(client.post(url, json=body, headers=headers))
            async with client.stream(
                "POST", url, json={**body, "stream": True}, headers=headers
            ) as response:
                pieces = response.aiter_bytes()
                assert b"one" in await anext(pieces)
                ending = asyncio.create_task(server.end(signal.SIGTERM))
                rest = b"".join([piece async for piece in pieces])
            assert b'"code":"shutting_down"' in rest
            assert (await ending) == 0
            refused = await waiting
            assert refused.status_code == 503
            assert refused.json()["error"]["code"] == "shutting_down"
        outcomes = [line["outcome"] for line in server.log if line["event"] == "request"]
        assert outcomes == ["shutdown", "shutdown"]
        assert [line for line in server.log if "exception" in line] == []
