"""Clients that never stop asking, and what the ledger says of them in the end."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

import asyncpg  # type: ignore[import-untyped]  # ships none
import httpx

from waiting_testing.waiting import eventually

Record = dict[str, object]


@dataclass
class Traffic:
    """Requests, each with an id of its own.

    Attributes:
        url: where they go; may change at any time.
        answered: ids of requests whose answer came whole.
        other: statuses of the others, where there was one.
    """

    url: str
    headers: dict[str, str]
    answered: set[str] = field(default_factory=set)
    other: Counter[int] = field(default_factory=Counter)
    _numbers: count[int] = field(default_factory=count)

    async def ask(self, client: httpx.AsyncClient, name: str) -> None:
        """Ask for a stream or a whole answer, and note whether it came."""
        request_id = f"{name}-{next(self._numbers)}"
        stream = random.random() < 0.5
        answer = await client.post(
            f"{self.url}/v1/chat/completions",
            json={"model": "default", "messages": [], "stream": stream},
            headers={**self.headers, "x-request-id": request_id},
        )
        if answer.status_code == 200 and (not stream or answer.content.endswith(b"[DONE]\n\n")):
            self.answered.add(request_id)
        else:
            self.other[answer.status_code] += 1

    @asynccontextmanager
    async def running(self, clients: int, name: str = "r") -> AsyncIterator[None]:
        """Keep a number of clients asking until the block ends."""
        tasks = [asyncio.create_task(self._run(name)) for _ in range(clients)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def reaches(self, answers: int) -> None:
        """Wait until that many answers have come."""
        async with asyncio.timeout(120):
            while len(self.answered) < answers:
                await asyncio.sleep(0.01)

    async def _run(self, name: str) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=90) as client:
            while True:
                try:
                    await self.ask(client, name)
                except httpx.HTTPError:
                    await asyncio.sleep(0.05)


async def records(url: str) -> list[Record]:
    """Return the whole ledger of a database."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT * FROM usage_records ORDER BY id")
    finally:
        await connection.close()
    return [dict(row) for row in rows]


async def recorded(url: str, holds: Callable[[list[Record]], bool]) -> list[Record]:
    """Return the ledger once something holds of it."""
    return await eventually(lambda: records(url), holds, pause=0.1)


def ids(found: list[Record]) -> list[str]:
    """Return the ids of the requests that the ledger has, sorted."""
    return sorted(str(record["request_id"]) for record in found)
