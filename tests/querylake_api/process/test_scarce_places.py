"""Places at an engine, and open files, that clients take and do not use."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from contextlib import ExitStack
from pathlib import Path

import httpx
from sqlalchemy import text

from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine, answer_chat
from querylake_api.keys.repository import KeyRepository
from querylake_api.keys.schemas import KeyRequest
from querylake_api.keys.service import KeyService
from querylake_api.persistence.database import Database
from querylake_api.persistence.location import asyncpg_url
from querylake_api_testing.process import serve_process
from querylake_api_testing.running import RunningApi, running_api, write_config
from waiting_testing.waiting import PATIENCE

OPEN_FILES = 256
IDLE = 400
CHATS = 20
PIECE = b"data: " + b"x" * 65_536 + b"\n\n"


def never_reads(api: RunningApi) -> socket.socket:
    """Ask for a stream and return the connection, of whose response nothing will be read."""
    host, port = api.url.removeprefix("http://").split(":")
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((host, int(port)))
    body = json.dumps({"model": "m", "messages": [], "stream": True}).encode()
    client.sendall(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %b\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (api.key.encode(), len(body), body)
    )
    return client


async def test_streams_that_nobody_reads_give_their_places_back(
    tmp_path: Path, database_url: str, engine: ScriptedEngine
) -> None:
    begun = asyncio.Semaphore(0)

    async def script(exchange: Exchange) -> None:
        if exchange.request.method == "POST" and exchange.request.json().get("stream"):
            await exchange.begin_stream()
            begun.release()
            while True:  # until the API hangs up
                await exchange.piece(PIECE)
        await answer_chat(exchange)

    engine.script = script
    config = write_config(
        tmp_path,
        database=database_url,
        server={"send_timeout_seconds": 1.0, "drain_seconds": 1},
        upstreams={"engine": {"base_url": engine.url}},
        models={
            "m": {
                "capabilities": ["chat"],
                "max_concurrency": 2,
                "queue_timeout_seconds": PATIENCE,
                "targets": [{"upstream": "engine", "model": "m"}],
            }
        },
    )
    async with running_api(config) as api:
        with never_reads(api), never_reads(api):
            async with asyncio.timeout(PATIENCE):
                await begun.acquire()
                await begun.acquire()
                response = await api.post("/v1/chat/completions", {"model": "m", "messages": []})
                assert response.status_code == 200, response.text
        lines = await api.requests_logged(3)
    assert sorted(line["outcome"] for line in lines) == ["client_abort", "client_abort", "success"]


async def test_idle_connections_beyond_the_open_files_stop_nobody(
    tmp_path: Path, database_url: str, engine: ScriptedEngine
) -> None:
    config = write_config(
        tmp_path,
        database=database_url,
        server={"port": 0},
        upstreams={"engine": {"base_url": engine.url}},
        models={"m": {"capabilities": ["chat"], "targets": [{"upstream": "engine", "model": "m"}]}},
    )
    async with serve_process(config, open_files=OPEN_FILES) as api:
        database = Database(asyncpg_url(database_url))
        service = KeyService(KeyRepository(database), {})
        key = (await service.create(KeyRequest(name="n"))).secret
        host, port = api.url.removeprefix("http://").split(":")
        with ExitStack() as idle:
            for _ in range(IDLE):
                idle.enter_context(socket.create_connection((host, int(port)), PATIENCE))
            async with httpx.AsyncClient(
                base_url=api.url,
                trust_env=False,
                timeout=PATIENCE,
                headers={"authorization": f"Bearer {key}"},
            ) as client:
                for _ in range(CHATS):
                    response = await client.post(
                        "/v1/chat/completions", json={"model": "m", "messages": []}
                    )
                    assert response.status_code == 200, response.text
        assert await api.end(signal.SIGTERM) == 0
        async with database.begin() as connection:
            recorded = await connection.scalar(text("SELECT count(*) FROM usage_records"))
        await database.close()
    assert recorded == CHATS
