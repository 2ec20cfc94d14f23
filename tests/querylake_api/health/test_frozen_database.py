"""A database that is there and does nothing: who asks is told in time."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from llm_provider_testing.scripted_engine import ScriptedEngine
from querylake_api_testing.databases import TestPostgres, database_folder, frozen
from querylake_api_testing.running import RunningApi, running_api, write_config
from waiting_testing.waiting import eventually

CHAT = {"model": "m", "messages": []}


async def timed(api: RunningApi, path: str, key: str | None = None) -> tuple[int, float]:
    began = time.monotonic()
    if key is None:
        response = await api.client.get(path)
    else:
        response = await api.post(path, CHAT, key=key)
    return response.status_code, time.monotonic() - began


async def test_a_frozen_database_delays_nobody_for_long(
    tmp_path: Path, engine: ScriptedEngine
) -> None:
    with database_folder() as folder:
        postgres = TestPostgres(folder / "data")
        async with postgres.database() as url:
            config = write_config(
                tmp_path,
                database=url,
                upstreams={"engine": {"base_url": engine.url}},
                models={
                    "m": {
                        "capabilities": ["chat"],
                        "targets": [{"upstream": "engine", "model": "m"}],
                    }
                },
            )
            async with running_api(config) as api:
                assert (await api.post("/v1/chat/completions", CHAT)).status_code == 200
                with frozen(folder / "data"):
                    ready = [await timed(api, "/readyz") for _ in range(3)]
                    unknown = await asyncio.gather(
                        *(timed(api, "/v1/chat/completions", "sk-unknown") for _ in range(5))
                    )
                    again = await timed(api, "/v1/chat/completions", "sk-another")
                    known = await timed(api, "/v1/chat/completions", api.key)
                    report = (await api.client.get("/readyz")).json()
                assert {status for status, _ in ready} == {200}
                assert max(seconds for _, seconds in ready) < 1
                assert report["status"] == "degraded"
                assert report["database"]["state"] == "down"
                assert {status for status, _ in [*unknown, again]} == {503}
                assert max(seconds for _, seconds in [*unknown, again]) < 5
                assert known[0] == 200
                await eventually(
                    lambda: timed(api, "/v1/chat/completions", "sk-unknown"),
                    lambda answer: answer[0] == 401,
                )
        postgres.stop()
