"""A full disk, at the start and later: a sentence, no signal, and no lost record."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from llm_provider_testing.scripted_engine import ScriptedEngine
from querylake_api.keys.repository import KeyRepository
from querylake_api.keys.schemas import KeyRequest
from querylake_api.keys.service import KeyService
from querylake_api.persistence.database import Database
from querylake_api.persistence.location import asyncpg_url
from querylake_api_testing.databases import database_folder
from querylake_api_testing.full_disk import fill, needs_mounts, on_small_disk
from querylake_api_testing.process import ServeProcess
from querylake_api_testing.running import write_config
from waiting_testing.waiting import PATIENCE, eventually

pytestmark = needs_mounts


def configured(folder: Path, disk: Path, engine: str, database: str) -> Path:
    return write_config(
        folder,
        database=database,
        server={"port": 0, "state_dir": str(disk / "state")},
        upstreams={"engine": {"base_url": engine}},
        models={"m": {"capabilities": ["chat"], "targets": [{"upstream": "engine", "model": "m"}]}},
    )


@pytest.mark.parametrize("kilobytes", [64, 16 * 1024, 42 * 1024, 46 * 1024, 60 * 1024])
async def test_a_start_on_a_full_disk_ends_with_a_sentence(kilobytes: int) -> None:
    with database_folder() as folder:
        disk = folder / "disk"
        disk.mkdir()
        database = f"embedded:{disk / 'postgres'}"
        config = configured(folder, disk, "http://127.0.0.1:9", database)
        process = await on_small_disk(disk, kilobytes, "serve", "--config", str(config))
        async with asyncio.timeout(PATIENCE):
            _, said = await process.communicate()
    assert process.returncode in (69, 78), said.decode()
    last = said.decode().splitlines()[-1]
    assert "No space left on device" in last or "MB are free" in last
    assert "Traceback" not in said.decode()


async def test_a_disk_that_fills_up_later_takes_nothing_from_callers(
    tmp_path: Path, database_url: str, engine: ScriptedEngine
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    config = configured(tmp_path, disk, engine.url, database_url)
    process = await on_small_disk(disk, 80 * 1024, "serve", "--config", str(config))
    running = ServeProcess(process)
    database = Database(asyncpg_url(database_url))
    try:
        await running.ready()
        secret = await limited_key(database)
        fill(process, disk)
        async with httpx.AsyncClient(
            base_url=running.url, trust_env=False, headers={"authorization": f"Bearer {secret}"}
        ) as client:
            for _ in range(50):
                response = await client.post(
                    "/v1/chat/completions", json={"model": "m", "messages": []}, timeout=60
                )
                assert response.status_code == 200, response.text
            await eventually(lambda: recorded(database), lambda count: count >= 50)
        assert await running.end(signal.SIGTERM) == 0
    finally:
        await running.kill()
        await database.close()


async def limited_key(database: Database) -> str:
    service = KeyService(KeyRepository(database), {})
    return (await service.create(KeyRequest(name="n", requests_per_minute=1000))).secret


async def recorded(database: Database) -> int:
    """Return how many requests are in the ledger."""
    async with database.begin() as connection:
        found = await connection.execute(text("SELECT count(*) FROM usage_records"))
        return int(found.scalar_one())
