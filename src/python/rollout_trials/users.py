"""Many users, each with a key of their own, who go on asking, and what they saw."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import deque
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

BUSY = 2.0
"""How many times as long as expected answers may take before users ask less often."""

REMEMBERED = 60
"""Good answers by which it is told how long an answer takes at the moment."""

QUICK = 0.25
"""The part of them that were quicker is passed over: a fault that slows half of them down does not
count, a machine that is busy with something else does."""


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

    When answers take much longer than expected, users ask less often, so that engines keep time to
    spare: what is compared are the stacks and not the lines in front of them.

    Args:
        keys: one for each user.
        per_second: requests of all users together, as long as an answer takes `seconds`.
        seconds: see there; None if that does not matter.
        tokens: length of an answer.

    Attributes:
        seen: what they have seen so far.
    """

    def __init__(
        self,
        url: str,
        model: str,
        keys: Sequence[str],
        *,
        per_second: float,
        tokens: int,
        seconds: float | None = None,
    ) -> None:
        self._url = f"{url}/v1/chat/completions"
        self._model = model
        self._keys = keys
        self.per_second = per_second
        self._seconds = seconds
        self._tokens = tokens
        self._numbers = itertools.count(1)
        self._took: deque[float] = deque(maxlen=REMEMBERED)
        self._random = random.Random(0)
        self.seen = Seen()

    @property
    def slowdown(self) -> float:
        """How many times less often than asked for they ask at the moment, 1 at least."""
        if self._seconds is None or len(self._took) < REMEMBERED // 4:
            return 1.0
        usual = sorted(self._took)[int(QUICK * len(self._took))]
        return max(1.0, usual / self._seconds / BUSY)

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """Let all of them ask until the block ends."""
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        requests: set[asyncio.Task[None]] = set()
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            asking = asyncio.create_task(self._ask_on(session, requests))
            try:
                yield
            finally:
                asking.cancel()
                for request in requests:
                    request.cancel()
                await asyncio.gather(asking, *requests, return_exceptions=True)

    async def _ask_on(
        self, session: aiohttp.ClientSession, requests: set[asyncio.Task[None]]
    ) -> None:
        """Have everybody ask once, in an order drawn by lot, again and again."""
        while True:
            for key in self._random.sample(self._keys, len(self._keys)):
                await asyncio.sleep(self._random.expovariate(self.per_second / self.slowdown))
                request = asyncio.create_task(self._count(session, key))
                requests.add(request)
                request.add_done_callback(requests.discard)

    async def _count(self, session: aiohttp.ClientSession, key: str) -> None:
        request_id = f"trial-{next(self._numbers)}"
        began = time.monotonic()
        outcome = await self._ask(session, key, request_id, self._random.choice(QUESTIONS))
        if outcome == FINE:
            self._took.append(time.monotonic() - began)
            self.seen.answers += 1
        else:
            self.seen.faults[request_id] = outcome

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
