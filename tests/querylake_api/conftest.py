"""Fixtures of the API's tests."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine, scripted_engine
from querylake_api.cli import main
from querylake_api.persistence.database import Database
from querylake_api.persistence.location import asyncpg_url
from querylake_api.process.serve import listen
from querylake_api.process.server_process import ApiServer
from querylake_api.rollouts.records.repository import RolloutRepository
from querylake_api_testing.commands import Run
from querylake_api_testing.connections import App, Connection, Serve, server_of
from querylake_api_testing.databases import TestPostgres, database_folder
from querylake_api_testing.ocr import LIMIT, SERVICE_KEY, VIEW, ConfigureOcr
from querylake_api_testing.running import RunningApi, running_api, write_config
from waiting_testing.waiting import PATIENCE


@pytest.fixture(scope="session")
def postgres() -> Iterator[TestPostgres]:
    """Give the run's PostgreSQL."""
    with database_folder() as folder:
        server = TestPostgres(folder / "data")
        yield server
        server.stop()


@pytest.fixture
def postgres_folder() -> Iterator[Path]:
    """Give a folder in which a program can have a PostgreSQL of its own."""
    with database_folder() as folder:
        yield folder


@pytest.fixture
async def database_url(postgres: TestPostgres) -> AsyncIterator[str]:
    """Give the URL of a fresh, migrated database."""
    async with postgres.database() as url:
        yield url


@pytest.fixture
async def repository(database_url: str) -> AsyncIterator[RolloutRepository]:
    """Give the rollouts of a fresh database, of which there are none."""
    database = Database(asyncpg_url(database_url))
    yield RolloutRepository(database)
    await database.close()


@pytest.fixture(params=["ours", "another"])
def _any_server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the API served by our own protocol, and by one that has ASGI alone, as Ray's does."""
    if request.param == "another":
        monkeypatch.setattr(
            "querylake_api.process.server_process.http_protocol", lambda _: HttpToolsProtocol
        )


@pytest.fixture
async def engine() -> AsyncIterator[ScriptedEngine]:
    """Give an engine that answers chats until it is told to do something else."""
    async with scripted_engine() as running:
        yield running


CHAT_MODEL = "org/chatty"
"""What clients call the engine's model; `default` is an alias."""

ENGINE_MODEL = "Real/Chatty-7B"
ENGINE_KEY = "engine-secret"


@pytest.fixture
def patience() -> float:
    """Give the seconds that the API waits for a byte of an answer, or of a body.

    More than a busy machine ever takes. What is told to those who wait in vain is tested with less,
    by parametrizing over this name.
    """
    return 60.0


@pytest.fixture
def config_file(
    tmp_path: Path,
    database_url: str,
    engine: ScriptedEngine,
    patience: float,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Give a configuration with a chat model, an embedder, and a model whose engine is away."""
    monkeypatch.setenv("TEST_ENGINE_KEY", ENGINE_KEY)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
    timeouts = {"connect": 60.0, "first_byte": patience, "idle": patience}
    return write_config(
        tmp_path,
        database=database_url,
        # One engine that many tests make fail: its breaker has tests of its own.
        breaker={"failures": 1000},
        server={"drain_seconds": 5, "max_body_bytes": 100_000, "body_timeout_seconds": patience},
        upstreams={
            "engine": {
                "base_url": engine.url,
                "api_key_env": "TEST_ENGINE_KEY",
                "timeouts": timeouts,
            },
            "away": {"base_url": nobody, "timeouts": timeouts},
        },
        models={
            CHAT_MODEL: {
                "capabilities": ["chat", "completions"],
                "aliases": ["default"],
                "targets": [
                    {"upstream": "engine", "model": ENGINE_MODEL},
                    {"upstream": "away", "model": ENGINE_MODEL, "role": "candidate"},
                ],
            },
            "embedder": {
                "capabilities": ["embeddings", "rerank"],
                "targets": [{"upstream": "engine", "model": "embedder"}],
            },
            "gone": {
                "capabilities": ["chat"],
                "targets": [{"upstream": "away", "model": "gone"}],
            },
        },
    )


@pytest.fixture
async def api(config_file: Path) -> AsyncIterator[RunningApi]:
    """Give the API in front of the engine."""
    async with running_api(config_file) as running:
        yield running


@pytest.fixture
async def ocr_service() -> AsyncIterator[ScriptedEngine]:
    """Give an OCR service that answers with a job until it is told to do something else."""

    async def answer(exchange: Exchange) -> None:
        await exchange.whole(VIEW, status=202 if exchange.request.method == "POST" else 200)

    async with scripted_engine() as running:
        running.script = answer
        yield running


@pytest.fixture
def configure_ocr(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> ConfigureOcr:
    """Give a function that writes a configuration for an OCR service at some URL."""
    monkeypatch.setenv("TEST_OCR_KEY", SERVICE_KEY)

    def write(
        url: str, *, max_body_bytes: int = LIMIT, body_seconds: float = PATIENCE, **timeouts: float
    ) -> Path:
        ocr = {
            "base_url": url,
            "api_key_env": "TEST_OCR_KEY",
            "max_body_bytes": max_body_bytes,
            "timeouts": {"first_byte": PATIENCE, "idle": PATIENCE, **timeouts},
        }
        server = {"body_timeout_seconds": body_seconds}
        return write_config(tmp_path, database=database_url, server=server, ocr=ocr)

    return write


@pytest.fixture
async def ocr_api(
    configure_ocr: ConfigureOcr, ocr_service: ScriptedEngine
) -> AsyncIterator[RunningApi]:
    """Give the API in front of the OCR service."""
    async with running_api(configure_ocr(ocr_service.url)) as running:
        yield running


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Give a function that runs a command and returns its exit code and what it printed."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["querylake_api.pex", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        code = ended.value.code
        return (code if isinstance(code, int) else 0), printed.out, printed.err

    return run


@pytest.fixture
def servers() -> list[ApiServer]:
    """Those of `serve` that run, to be stopped at the end."""
    return []


@pytest.fixture
async def serve(servers: list[ApiServer]) -> AsyncIterator[Serve]:
    """Serve applications, each to one client, and stop."""
    tasks: list[asyncio.Task[None]] = []

    async def connected(app: App) -> Connection:
        listener = listen("127.0.0.1", 0)
        server = server_of(app)
        servers.append(server)
        tasks.append(asyncio.create_task(server.serve(sockets=[listener])))
        return await asyncio.open_connection(*listener.getsockname())

    yield connected
    for server in servers:
        server.cut()
    for task in tasks:
        await asyncio.wait_for(task, 60)
