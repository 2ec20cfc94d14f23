"""What several processes have to know of each other: limits, revocations, and who has died."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine
from querylake_api.configuration.loading import load_configuration
from querylake_api.keys.models import Scope
from querylake_api_testing.process import ServeProcess, fresh_connections, serve_process
from querylake_api_testing.running import create_key
from waiting_testing.waiting import eventually

CHAT = {"model": "default", "messages": []}


@pytest.fixture
async def server(config_file: Path) -> AsyncIterator[ServeProcess]:
    """Give two processes behind one socket."""
    async with serve_process(config_file, "--port", "0", "--workers", "2") as running:
        yield running


@pytest.fixture
async def client(server: ServeProcess) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client whose requests reach either process."""
    async with fresh_connections(server.url) as client:
        yield client


class Keys:
    """Makes keys and changes them, through the API."""

    def __init__(self, client: httpx.AsyncClient, admin: str) -> None:
        self._client = client
        self._headers = {"authorization": f"Bearer {admin}"}

    async def create(self, **limits: int) -> dict[str, Any]:
        response = await self._client.post(
            "/admin/keys", json={"name": "n", **limits}, headers=self._headers
        )
        assert response.status_code == 201
        document: dict[str, Any] = response.json()
        return document

    async def revoke(self, key: dict[str, Any]) -> None:
        path = f"/admin/keys/{key['id']}"
        response = await self._client.delete(path, headers=self._headers)
        assert response.status_code == 200

    async def pids(self) -> list[int]:
        response = await self._client.get("/admin/config", headers=self._headers)
        return [worker["pid"] for worker in response.json()["workers"]]


@pytest.fixture
async def keys(client: httpx.AsyncClient, config_file: Path) -> Keys:
    admin = await create_key(load_configuration(config_file), scopes=(Scope.ADMIN,))
    return Keys(client, admin.secret)


def headers(key: dict[str, Any]) -> dict[str, str]:
    return {"authorization": f"Bearer {key['key']}"}


async def statuses(client: httpx.AsyncClient, key: dict[str, Any], count: int) -> Counter[int]:
    """Ask that often at once."""
    responses = await asyncio.gather(
        *(
            client.post("/v1/chat/completions", json=CHAT, headers=headers(key))
            for _ in range(count)
        )
    )
    return Counter(response.status_code for response in responses)


async def test_processes_admit_together_what_a_key_may(
    client: httpx.AsyncClient, keys: Keys, engine: ScriptedEngine
) -> None:
    key = await keys.create(requests_per_minute=20)
    began = time.monotonic()
    assert await statuses(client, key, 60) == {200: 20, 429: 40}
    assert len(engine.requests) == 20
    while await statuses(client, key, 5) == {429: 5}:
        # Not before the minute has passed, on either of them.
        assert len(engine.requests) == 20
        if time.monotonic() - began > 3:
            return
    assert time.monotonic() - began >= 60


class Streams:
    """Streams that go on until they are told to finish.

    Attributes:
        running: those whose client has had something and nobody has ended.
        most: the most that the engine has had at once.
    """

    def __init__(self, engine: ScriptedEngine) -> None:
        self.finish = asyncio.Event()
        self.at_engine = 0
        self.most = 0
        engine.script = self._script

    async def _script(self, exchange: Exchange) -> None:
        self.at_engine += 1
        self.most = max(self.most, self.at_engine)
        try:
            await exchange.begin_stream()
            await exchange.token("one")
            left = asyncio.create_task(exchange.caller_gone())
            told = asyncio.create_task(self.finish.wait())
            await asyncio.wait([left, told], return_when=asyncio.FIRST_COMPLETED)
            left.cancel()
            told.cancel()
            if self.finish.is_set():
                await exchange.token(" two", finish_reason="stop")
                await exchange.end_stream()
        finally:
            self.at_engine -= 1

    async def open(
        self, client: httpx.AsyncClient, key: dict[str, Any], begun: asyncio.Queue[int]
    ) -> bytes:
        """Ask for a stream, tell its status once it has begun, and return it."""
        body = {**CHAT, "stream": True}
        pieces = b""
        async with client.stream(
            "POST", "/v1/chat/completions", json=body, headers=headers(key)
        ) as response:
            try:
                async for piece in response.aiter_bytes():
                    if not pieces:
                        begun.put_nowait(response.status_code)
                    pieces += piece
            except httpx.TransportError:
                return b"broken off"
        return pieces


async def test_concurrency_is_counted_together_and_a_killed_process_gives_its_part_back(
    server: ServeProcess, client: httpx.AsyncClient, keys: Keys, engine: ScriptedEngine
) -> None:
    streams = Streams(engine)
    key = await keys.create(concurrency=6)
    begun: asyncio.Queue[int] = asyncio.Queue()
    tasks = [asyncio.create_task(streams.open(client, key, begun)) for _ in range(20)]
    answers = Counter([await begun.get() for _ in tasks])
    assert answers == {200: 6, 429: 14}
    assert streams.at_engine == 6

    victim = (await keys.pids())[0]
    os.kill(victim, signal.SIGKILL)
    await server.logged(f"worker process {victim} ended")
    lost = await eventually(
        lambda: sum(_broken(task) for task in tasks), lambda lost: lost + streams.at_engine == 6
    )
    # What the dead process held can be had again, and not one more.
    more: list[asyncio.Task[bytes]] = []
    async with asyncio.timeout(60):
        while len(more) < lost:
            task = asyncio.create_task(streams.open(client, key, begun))
            if await begun.get() == 200:
                more.append(task)
    last = asyncio.create_task(streams.open(client, key, begun))
    assert await begun.get() == 429
    assert streams.at_engine == 6
    assert streams.most == 6
    streams.finish.set()
    await asyncio.gather(last, *more, *tasks)
    assert all(task.result().endswith(b"data: [DONE]\n\n") for task in more)


def _broken(task: asyncio.Task[bytes]) -> bool:
    return task.done() and task.result() == b"broken off"


async def test_a_revoked_key_soon_opens_nothing_on_any_process(
    client: httpx.AsyncClient, keys: Keys
) -> None:
    """How soon each of them looks is in `test_key_ring`."""
    key = await keys.create()
    assert await statuses(client, key, 12) == {200: 12}
    await keys.revoke(key)
    # For a moment one process may know of it and another not.
    async with asyncio.timeout(60):
        while (seen := await statuses(client, key, 24)) != {401: 24}:
            assert set(seen) <= {200, 401}
    for _ in range(3):
        assert await statuses(client, key, 12) == {401: 12}
