"""The API in front of several engines that serve one model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from llm_provider_testing.scripted_engine import ScriptedEngine, scripted_engine
from querylake_api_testing.running import RunningApi, running_api, write_config
from waiting_testing.waiting import PATIENCE

PATH = "/v1/chat/completions"
CHAT = {"model": "m", "messages": []}


class Replicas:
    """The engines and the API. The first engine is asked first."""

    def __init__(self, api: RunningApi, engines: list[ScriptedEngine]) -> None:
        self.api = api
        self.engines = engines

    async def ask(self, *, stream: bool = False) -> httpx.Response:
        return await self.api.post(PATH, {**CHAT, "stream": stream})

    @asynccontextmanager
    async def streaming(self) -> AsyncIterator[AsyncIterator[bytes]]:
        body = {**CHAT, "stream": True}
        async with self.api.client.stream(
            "POST", PATH, json=body, headers=self.api.headers()
        ) as response:
            assert response.status_code == 200
            yield response.aiter_bytes()

    def asked(self) -> list[int]:
        return [len(engine.requests) for engine in self.engines]

    def record(self) -> dict[str, Any]:
        [line] = [line for line in self.api.log_lines() if line["event"] == "request"]
        return line

    async def upstream(self, name: str) -> dict[str, Any]:
        listed = await self.api.get("/admin/upstreams", key=self.api.admin_key)
        [found] = [each for each in listed.json()["data"] if each["name"] == name]
        assert isinstance(found, dict)
        return found


@asynccontextmanager
async def replicas(
    folder: Path,
    database: str,
    count: int = 2,
    *,
    hurried: Mapping[int, float] | None = None,
    model: dict[str, object] | None = None,
    **sections: dict[str, object],
) -> AsyncIterator[Replicas]:
    """Start engines e0, e1, … and the API in front of them.

    Args:
        hurried: seconds that the API waits for these engines.
    """
    async with AsyncExitStack() as stack:
        engines = [await stack.enter_async_context(scripted_engine()) for _ in range(count)]
        waits = {number: PATIENCE for number in range(count)} | dict(hurried or {})
        config = write_config(
            folder,
            database=database,
            upstreams={
                f"e{number}": {
                    "base_url": engine.url,
                    "timeouts": {
                        "connect": PATIENCE,
                        "first_byte": waits[number],
                        "idle": waits[number],
                    },
                }
                for number, engine in enumerate(engines)
            },
            models={
                "m": {
                    "capabilities": ["chat"],
                    # Equal requests are to go round.
                    "balancing": "least_outstanding",
                    "targets": [
                        {"upstream": f"e{number}", "model": "M"} for number in range(count)
                    ],
                    **(model or {}),
                }
            },
            **sections,
        )
        yield Replicas(await stack.enter_async_context(running_api(config)), engines)
