"""Changing the configuration under a server that runs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from llm_provider_testing.scripted_engine import (
    Exchange,
    ScriptedEngine,
    in_two_parts,
    scripted_engine,
)
from querylake_api.configuration.loading import load_configuration
from querylake_api.keys.models import Scope
from querylake_api_testing.process import fresh_connections, serve_process
from querylake_api_testing.running import RunningApi, create_key
from querylake_api_testing.streams import whole_stream
from waiting_testing.waiting import eventually

CHAT = {"model": "default", "messages": []}


@pytest.fixture
async def other_engine() -> AsyncIterator[ScriptedEngine]:
    """Give the engine that a new configuration names."""
    async with scripted_engine() as running:
        yield running


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


async def reload(api: RunningApi) -> httpx.Response:
    return await api.client.post("/admin/config/reload", headers=api.headers(api.admin_key))


async def test_new_requests_go_by_the_new_configuration_and_streams_end_by_the_old(
    api: RunningApi, config_file: Path, engine: ScriptedEngine, other_engine: ScriptedEngine
) -> None:
    finish = asyncio.Event()
    left = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.token("one")
        await finish.wait()
        await exchange.token(" two", finish_reason="stop")
        await exchange.end_stream()
        await exchange.caller_gone()
        left.set()

    engine.script = script
    async with api.client.stream(
        "POST", "/v1/chat/completions", json={**CHAT, "stream": True}, headers=api.headers()
    ) as response:
        pieces = response.aiter_bytes()
        assert b"one" in await anext(pieces)

        replace(config_file, engine.url, other_engine.url)
        report = (await reload(api)).json()
        assert report["changed"] is True
        assert report["restart_needed"] == []
        assert [worker["generation"] for worker in report["workers"]] == [2]
        assert (await api.post("/v1/chat/completions", CHAT)).status_code == 200
        assert len(other_engine.requests) == 1

        assert not left.is_set()
        finish.set()
        rest = b"".join([piece async for piece in pieces])
    assert rest.endswith(b"data: [DONE]\n\n")
    # With its last stream the old configuration's connections go, kept alive or not.
    async with asyncio.timeout(60):
        await left.wait()
    assert len(engine.requests) == 1


async def test_a_wrong_configuration_is_refused_and_the_old_one_stays(
    api: RunningApi, config_file: Path
) -> None:
    before = (await api.get("/admin/config", key=api.admin_key)).json()
    good = config_file.read_text(encoding="utf-8")
    config_file.write_text(good + "\n[sever]\n", encoding="utf-8")
    response = await reload(api)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (422, "invalid_configuration")
    assert "sever: unknown key; did you mean 'server'?" in error["message"]
    assert (await api.post("/v1/chat/completions", CHAT)).status_code == 200
    assert (await api.get("/admin/config", key=api.admin_key)).json() == before

    config_file.write_text(good, encoding="utf-8")
    assert (await reload(api)).json()["changed"] is False


async def test_models_come_and_go(api: RunningApi, config_file: Path) -> None:
    replace(config_file, '[models."gone"]', '[models."arrived"]')
    assert (await reload(api)).status_code == 200
    listed = (await api.get("/v1/models")).json()
    names = [model["id"] for model in listed["data"]]
    assert "arrived" in names
    assert "gone" not in names
    response = await api.post("/admin/keys", {"name": "n", "models": ["gone"]}, key=api.admin_key)
    assert response.json()["error"]["code"] == "unknown_model"


async def test_what_takes_a_restart_is_said(api: RunningApi, config_file: Path) -> None:
    replace(config_file, "drain_seconds = 5", "drain_seconds = 6\nport = 9")
    replace(config_file, "[server]", "[usage]\nmax_spool_bytes = 77000000\n[server]")
    for _ in range(2):
        report = (await reload(api)).json()
        assert report["changed"] is False
        assert sorted(report["restart_needed"]) == [
            "server.drain_seconds",
            "server.port",
            "usage.max_spool_bytes",
        ]


async def test_reloading_is_for_administrators(api: RunningApi) -> None:
    assert (await api.post("/admin/config/reload", {})).status_code == 403
    assert (await api.get("/admin/config")).status_code == 403


async def admin_headers(config_file: Path) -> dict[str, str]:
    scopes = (Scope.ADMIN, Scope.INFERENCE)
    key = await create_key(load_configuration(config_file), scopes=scopes)
    return {"authorization": f"Bearer {key.secret}"}


async def listings(client: httpx.AsyncClient, headers: dict[str, str]) -> list[str]:
    """Ask often, so that every worker is asked."""
    return [(await client.get("/v1/models", headers=headers)).text for _ in range(20)]


async def test_one_request_or_signal_reloads_every_worker(
    config_file: Path, engine: ScriptedEngine
) -> None:
    headers = await admin_headers(config_file)
    finish = asyncio.Event()
    engine.script = in_two_parts(finish)
    options = ("--port", "0", "--workers", "2")
    async with (
        serve_process(config_file, *options) as server,
        fresh_connections(server.url) as client,
    ):

        async def config() -> dict[str, Any]:
            document: dict[str, Any] = (await client.get("/admin/config", headers=headers)).json()
            return document

        async def settled(generation: int) -> dict[str, Any]:
            """Wait until whoever is asked has heard that both workers run a generation."""
            return await eventually(
                config,
                lambda told: [each["generation"] for each in told["workers"]] == [generation] * 2,
            )

        before = await settled(1)
        assert {worker["digest"] for worker in before["workers"]} == {before["digest"]}

        replace(config_file, '[models."gone"]', '[models."arrived"]')
        report = (await client.post("/admin/config/reload", headers=headers)).json()
        assert report["failures"] == []
        assert report["restart_needed"] == []
        assert [worker["generation"] for worker in report["workers"]] == [2, 2]
        assert all("arrived" in names for names in await listings(client, headers))

        good = config_file.read_text(encoding="utf-8")
        config_file.write_text("[server\n", encoding="utf-8")
        server.process.send_signal(signal.SIGHUP)
        refused = await server.logged("the configuration is refused")
        assert "not valid TOML" in refused["event"]
        response = await client.post("/admin/config/reload", headers=headers)
        assert response.status_code == 422
        assert "not valid TOML" in response.json()["error"]["message"]

        begun = asyncio.Semaphore(0)
        streams = [
            asyncio.create_task(whole_stream(client, headers, begun.release)) for _ in range(6)
        ]
        for _ in streams:
            await begun.acquire()
        config_file.write_text(good.replace('"arrived"', '"again"'), encoding="utf-8")
        server.process.send_signal(signal.SIGHUP)
        await server.logged("adopted the configuration")
        after = await settled(3)
        assert after["digest"] != before["digest"]
        finish.set()
        for answer in await asyncio.gather(*streams):
            assert answer.endswith(b"data: [DONE]\n\n")
        assert all("again" in names for names in await listings(client, headers))

        # A worker that takes a dead one's place begins with what the others run, not with a file
        # that is wrong by now.
        config_file.write_text("[server\n", encoding="utf-8")
        dead = after["workers"][0]["pid"]
        os.kill(dead, signal.SIGKILL)
        await server.logged("worker 0 is ready")
        workers = (await settled(3))["workers"]
        assert dead not in [worker["pid"] for worker in workers]
        assert await server.end(signal.SIGTERM) == 0


async def test_a_signal_reloads_a_single_process(config_file: Path) -> None:
    async with serve_process(config_file, "--port", "0") as server:
        replace(config_file, '[models."gone"]', '[models."arrived"]')
        server.process.send_signal(signal.SIGHUP)
        line = await server.logged("adopted the configuration")
        assert "as generation 2" in line["event"]
        config_file.write_text("nonsense", encoding="utf-8")
        server.process.send_signal(signal.SIGHUP)
        line = await server.logged("the configuration is refused")
        assert line["level"] == "error"
        assert await server.end(signal.SIGTERM) == 0
        assert "exception" not in json.dumps(server.log)
