"""Many users, each with a key of their own, who go on asking, and what they saw."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import orjson

QUESTIONS = (
    "What is the capital of France?",
    "Say hello in one word.",
    "Name a colour.",
    "What is two plus two?",
    "Is water wet?",
)
PATIENCE_SECONDS = 60.0

FINE = "answered"


@dataclass(slots=True)
class Seen:
    """What the users have seen so far.

    Attributes:
        answers: how many requests were answered well.
        faults: what was wrong with the others, by request id.
    """

    answers: int = 0
    faults: dict[str, str] = field(default_factory=dict)


class Users:
    """The load.

    Args:
        keys: one for each user.
        per_second: requests of all users together, as long as they are answered soon.
        tokens: length of an answer.

    Attributes:
        seen: what they have seen so far.
    """

    def __init__(
        self, url: str, model: str, keys: Sequence[str], *, per_second: float, tokens: int
    ) -> None:
        self._url = f"{url}/v1/chat/completions"
        self._model = model
        self._keys = keys
        self.per_second = per_second
        self._pause = len(keys) / per_second
        self._tokens = tokens
        self._numbers = itertools.count(1)
        self.seen = Seen()

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """Let all of them ask until the block ends."""
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            users = [
                asyncio.create_task(self._ask_on(session, key, random.Random(number)))
                for number, key in enumerate(self._keys)
            ]
            try:
                yield
            finally:
                for user in users:
                    user.cancel()
                await asyncio.gather(*users, return_exceptions=True)

    async def _ask_on(
        self, session: aiohttp.ClientSession, key: str, generator: random.Random
    ) -> None:
        await asyncio.sleep(generator.random() * self._pause)
        while True:
            request_id = f"trial-{next(self._numbers)}"
            outcome = await self._ask(session, key, request_id, generator.choice(QUESTIONS))
            if outcome == FINE:
                self.seen.answers += 1
            else:
                self.seen.faults[request_id] = outcome
            await asyncio.sleep(generator.expovariate(1 / self._pause))

    async def _ask(
        self, session: aiohttp.ClientSession, key: str, request_id: str, question: str
    ) -> str:
        body = {
            "model": self._model,
            "stream": True,
            "temperature": 0,
            "max_tokens": self._tokens,
            "messages": [{"role": "user", "content": question}],
        }
        headers = {
            "authorization": f"Bearer {key}",
            "x-request-id": request_id,
            "content-type": "application/json",
        }
        try:
            async with session.post(self._url, data=orjson.dumps(body), headers=headers) as answer:
                return verdict(answer.status, await answer.read())
        except TimeoutError:
            return f"no end within {PATIENCE_SECONDS:.0f} s"
        except aiohttp.ClientError as error:
            return f"connection: {type(error).__name__}"


def verdict(status: int, body: bytes) -> str:
    """Return what a user says of an answer."""
    if status != 200:
        return f"status {status}"
    events = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: ")]
    if any(event.startswith(b'{"error"') for event in events):
        return "an error inside the stream"
    if not events or events[-1].strip() != b"[DONE]":
        return "the stream broke off"
    return FINE
