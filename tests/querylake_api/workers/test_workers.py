"""Several processes on one socket: together, one by one, and at the end."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import httpx

from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine, in_two_parts
from querylake_api.configuration.loading import load_configuration
from querylake_api.keys.models import Scope
from querylake_api_testing.process import (
    ServeProcess,
    accepts,
    fresh_connections,
    serve_process,
    start_serve,
)
from querylake_api_testing.running import create_key
from querylake_api_testing.streams import whole_stream
from waiting_testing.waiting import eventually

CHAT = {"model": "default", "messages": []}


def worker_pids(server: ServeProcess) -> list[int]:
    """Return the processes that have said that they are ready, oldest first."""
    return [
        int(line["event"].rpartition(" ")[2])
        for line in server.log
        if line["event"].startswith("worker ") and "is ready" in line["event"]
    ]


async def inference_headers(config_file: Path) -> dict[str, str]:
    key = await create_key(load_configuration(config_file), scopes=(Scope.INFERENCE,))
    return {"authorization": f"Bearer {key.secret}"}


async def ask(client: httpx.AsyncClient, headers: dict[str, str]) -> int:
    response = await client.post("/v1/chat/completions", json=CHAT, headers=headers)
    return response.status_code


async def test_a_killed_worker_is_replaced(config_file: Path) -> None:
    headers = await inference_headers(config_file)
    async with (
        serve_process(config_file, "--port", "0", "--workers", "2") as server,
        fresh_connections(server.url) as client,
    ):
        first, second = worker_pids(server)
        assert server.process.pid not in (first, second)
        assert await ask(client, headers) == 200
        os.kill(first, signal.SIGKILL)
        gone = await server.logged(f"worker process {first} ended by signal 9")
        assert "another starts" in gone["event"]
        assert await ask(client, headers) == 200
        ready = await server.logged("worker ")
        assert ready["event"].startswith("worker 0 is ready") or ready["event"].startswith(
            "worker 1 is ready"
        )
        assert await server.end(signal.SIGTERM) == 0
        for pid in worker_pids(server):
            assert not Path(f"/proc/{pid}").exists()


async def test_streams_finish_on_every_worker_before_the_end(
    config_file: Path, engine: ScriptedEngine
) -> None:
    finish = asyncio.Event()

    engine.script = in_two_parts(finish)
    headers = await inference_headers(config_file)
    async with (
        serve_process(config_file, "--port", "0", "--workers", "2") as server,
        fresh_connections(server.url) as client,
    ):
        begun = asyncio.Semaphore(0)

        streams = [
            asyncio.create_task(whole_stream(client, headers, begun.release)) for _ in range(6)
        ]
        for _ in streams:
            await begun.acquire()
        ending = asyncio.create_task(server.end(signal.SIGTERM))
        await eventually(lambda: accepts(server.url), lambda accepting: not accepting)
        finish.set()
        for answer in await asyncio.gather(*streams):
            assert answer.endswith(b"data: [DONE]\n\n")
        assert await ending == 0
        outcomes = [line["outcome"] for line in server.log if line["event"] == "request"]
        assert outcomes == ["success"] * 6


async def test_a_second_signal_ends_the_drain(config_file: Path, engine: ScriptedEngine) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.token("one")
        await exchange.caller_gone()

    engine.script = script
    text = config_file.read_text(encoding="utf-8")
    config_file.write_text(
        text.replace("drain_seconds = 5", "drain_seconds = 60"), encoding="utf-8"
    )
    headers = await inference_headers(config_file)
    for workers in ("1", "2"):
        options = ("--port", "0", "--workers", workers)
        async with (
            serve_process(config_file, *options) as server,
            fresh_connections(server.url) as client,
            client.stream(
                "POST",
                "/v1/chat/completions",
                json={**CHAT, "stream": True},
                headers=headers,
            ) as response,
        ):
            pieces = response.aiter_bytes()
            assert b"one" in await anext(pieces)
            server.process.send_signal(signal.SIGTERM)
            await eventually(lambda: accepts(server.url), lambda accepting: not accepting)
            assert await server.end(signal.SIGTERM) == 0
            rest = b"".join([piece async for piece in pieces])
            assert b'"code":"shutting_down"' in rest


async def test_workers_end_with_their_parent(config_file: Path) -> None:
    async with serve_process(config_file, "--port", "0", "--workers", "2") as server:
        pids = worker_pids(server)
        server.process.kill()
        await eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


async def test_workers_that_cannot_start_are_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "querylake.toml"
    path.write_text("[database]\nurl = 'postgresql://me:hidden@127.0.0.1:1/nowhere'\n")
    process = await start_serve(path, "--port", "0", "--workers", "2")
    _, written = await process.communicate()
    said = written.decode()
    assert process.returncode == 69
    assert "the database at 127.0.0.1/nowhere cannot be used" in said
    assert "Traceback" not in said
    assert "hidden" not in said
