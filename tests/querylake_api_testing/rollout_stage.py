"""A rollout's stage: the API in front of two scripted engines, one old and one new."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_provider_testing.scripted_engine import (
    Exchange,
    Script,
    ScriptedEngine,
    answer_chat,
    scripted_engine,
)
from querylake_api_testing.running import RunningApi, running_api, write_config
from waiting_testing.waiting import PATIENCE

PLAN: dict[str, Any] = {
    "model": "chatty",
    "steps": [{"percent": 50, "bake_seconds": 0}],
    "sticky": False,
    "judging": {
        "min_requests": 20,
        "error_margin": 0.2,
        "latency_ratio": 10,
        "warmup_seconds": 0,
    },
}


@dataclass(frozen=True)
class Stage:
    """An API in front of two engines."""

    api: RunningApi
    old: ScriptedEngine
    new: ScriptedEngine

    async def admin(self, path: str, document: object | None = None) -> Any:
        """Ask or tell the API as an operator."""
        api = self.api
        where = f"/admin/rollouts{path}"
        if document is None:
            answer = await api.get(where, key=api.admin_key)
        else:
            answer = await api.post(where, document, key=api.admin_key)
        assert answer.is_success, answer.text
        return answer.json()

    async def started(self, **changes: object) -> str:
        """Create a rollout and start it."""
        created = await self.admin("", PLAN | changes)
        await self.admin(f"/{created['id']}/start", {})
        return str(created["id"])

    async def events(self, rollout: str) -> list[dict[str, Any]]:
        """Return what happened so far."""
        events: list[dict[str, Any]] = (await self.admin(f"/{rollout}/events"))["data"]
        return events

    async def event(self, rollout: str, kind: str) -> dict[str, Any]:
        """Wait for something to happen."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for event in await self.events(rollout):
                    if event["kind"] == kind:
                        return event
                await asyncio.sleep(0.05)

    async def flipped(self, rollout: str, change: dict[str, Any]) -> dict[str, Any]:
        """Wait until every worker has followed a change, and return the event that says so."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for event in await self.events(rollout):
                    if event["kind"] == "flipped" and event["figures"]["event"] == change["id"]:
                        return event
                await asyncio.sleep(0.05)

    async def chat(self, *, stream: bool = True) -> int:
        """Send one chat, and return the status."""
        document = {"model": "chatty", "stream": stream, "messages": []}
        return (await self.api.post("/v1/chat/completions", document)).status_code

    async def stream(self) -> tuple[str, ...]:
        """Read one streamed chat to its end, and return the words that it was made of."""
        document = {"model": "chatty", "stream": True, "messages": []}
        answer = await self.api.post("/v1/chat/completions", document)
        words = []
        for line in answer.text.splitlines():
            if line == "data: [DONE]":
                words.append("[DONE]")
            elif line.startswith("data: "):
                words += [each["delta"]["content"] for each in json.loads(line[6:])["choices"]]
        return tuple(words)

    @asynccontextmanager
    async def load(self, *, stream: bool = False) -> AsyncIterator[Counter[int]]:
        """Send chats one after the other, on a few connections, for as long as the block lasts.

        Whole answers, whose first tokens and gaps are not measured: two engines that are alike are
        found to differ in them once in a few hundred rollouts, by chance.
        """
        statuses: Counter[int] = Counter()

        async def client() -> None:
            while True:
                statuses[await self.chat(stream=stream)] += 1

        clients = [asyncio.create_task(client()) for _ in range(4)]
        try:
            yield statuses
        finally:
            for each in clients:
                each.cancel()
            await asyncio.gather(*clients, return_exceptions=True)


GATES_HOLD = [sys.executable, "-c", 'print(\'{"holds": true, "gates": []}\')']
"""A command that says what the gates say when they hold."""


def stage_config(
    folder: Path,
    database: str,
    old: str,
    new: str,
    *,
    capabilities: tuple[str, ...] = ("chat",),
    supervisor: str | None = None,
    **rollouts: Any,
) -> Path:
    """Write a configuration with one model on two engines.

    Args:
        supervisor: of the new engine.
        rollouts: its section of that name.
    """
    candidate = {"base_url": new} | ({} if supervisor is None else {"runtime_url": supervisor})
    path = write_config(
        folder,
        database=database,
        upstreams={"old": {"base_url": old}, "new": candidate},
        models={
            "chatty": {
                "capabilities": list(capabilities),
                "targets": [
                    {"upstream": "old", "model": "m"},
                    {"upstream": "new", "model": "m", "role": "candidate"},
                ],
            }
        },
    )
    lines = [f"{name} = {json.dumps(value)}" for name, value in rollouts.items()]
    path.write_text(path.read_text() + "\n".join(["[rollouts]", *lines, ""]))
    return path


@asynccontextmanager
async def rollout_stage(folder: Path, database: str, **rollouts: Any) -> AsyncIterator[Stage]:
    """Serve a model on two engines that are well until told otherwise."""
    async with scripted_engine() as old, scripted_engine() as new:
        config = stage_config(
            *(folder, database, old.url, new.url),
            **{"gates_command": GATES_HOLD, **rollouts},
        )
        async with running_api(config) as api:
            yield Stage(api, old, new)


def every(nth: int, fault: Script) -> Script:
    """Return a script that shows a fault in every nth chat and is well otherwise."""
    numbers = itertools.count(1)

    async def script(exchange: Exchange) -> None:
        if exchange.request.method == "POST" and next(numbers) % nth == 0:
            await fault(exchange)
        else:
            await answer_chat(exchange)

    return script


async def in_band_error(exchange: Exchange) -> None:
    await exchange.begin_stream()
    await exchange.token("one")
    await exchange.piece(b'data: {"error": {"message": "engine died", "code": 500}}\n\n')
    await exchange.end_stream()


async def truncated(exchange: Exchange) -> None:
    await exchange.begin_stream()
    await exchange.token("one")
    await exchange.end_stream(done=False)


async def refused(exchange: Exchange) -> None:
    await exchange.whole({"error": {"message": "no"}}, status=500)


async def hung_up(exchange: Exchange) -> None:
    exchange.reset()
