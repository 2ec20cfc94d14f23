"""Timing one streamed request, and many of them at once."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from llm_provider.errors import ProviderError
from llm_provider.openai_http import OpenAIHTTPProvider
from llm_provider.stream_observer import StreamObserver
from upgrade_gates.serving.answer import chat_body
from upgrade_gates.serving.conformance import CHAT

ANSWER_TOKENS = 64
PROMPT = (
    "Request {number}. Write a long and detailed description of a harbour town in the morning: the "
    "ships, the market, the people at work, the weather, and the sounds of the streets."
)
"""The number comes first, so that no cache of prefixes answers for the engine."""

_numbers = itertools.count(1)

_ROUNDING = 1e-9


@dataclass
class Timed:
    """One request, as far as it came. All times in seconds on the same clock.

    Attributes:
        sent: when it was sent.
        pieces: when each piece of text came; an opening chunk is none.
        counted: tokens as the engine counts them; None where it does not say, or not yet.
    """

    sent: float
    pieces: list[float] = field(default_factory=list)
    counted: int | None = None

    @property
    def first_token(self) -> float | None:
        """From sending to the first piece of text; None if none came."""
        return self.pieces[0] - self.sent if self.pieces else None

    @property
    def gaps(self) -> list[float]:
        """Between pieces of text."""
        return [later - earlier for earlier, later in itertools.pairwise(self.pieces)]

    @property
    def tokens(self) -> int:
        """As the engine counts them, else pieces of text."""
        return len(self.pieces) if self.counted is None else self.counted


@dataclass(frozen=True)
class Load:
    """Requests at a level of concurrency.

    Attributes:
        requests: all that were sent, also those that ran when the time was over.
        seconds: from the first request to the end.
        failures: one sentence for each request that was refused or broke off.
    """

    concurrency: int
    requests: tuple[Timed, ...]
    seconds: float
    failures: tuple[str, ...]

    @property
    def first_tokens(self) -> list[float]:
        """The time to the first token of every request that has one."""
        return [each.first_token for each in self.requests if each.first_token is not None]

    @property
    def waits(self) -> list[float]:
        """How long each request had waited at the end whose first token had not come."""
        if not self.requests:
            return []
        ended = self.requests[0].sent + self.seconds
        return [ended - each.sent for each in self.requests if not each.pieces]

    @property
    def gaps(self) -> list[float]:
        """All gaps between pieces of text."""
        return [gap for each in self.requests for gap in each.gaps]

    @property
    def tokens_per_second(self) -> float:
        """Tokens of all answers over the time that they took together."""
        tokens = sum(each.tokens for each in self.requests)
        return tokens / self.seconds if self.seconds else 0.0


async def time_stream(provider: OpenAIHTTPProvider, model: str, timed: Timed) -> None:
    """Send one request and time its answer; `timed` holds what came, also if this is cancelled.

    Raises:
        ProviderError: it is refused, fails, or breaks off.
    """
    body = chat_body(
        model,
        PROMPT.format(number=next(_numbers)),
        max_tokens=ANSWER_TOKENS,
        stream=True,
        stream_options={"include_usage": True},
    )
    observer = StreamObserver(provider.name)
    async with await provider.relay("POST", CHAT, body=body) as relay:
        if relay.status != 200:
            content = (await relay.read())[:200].decode("utf-8", "replace")
            raise ProviderError(provider.name, f"it answers {relay.status}: {content}")
        async for chunk in relay.chunks():
            before = observer.content_chunks
            observer.feed(chunk)
            # Pieces that arrive together have no gap between them that anybody could see.
            timed.pieces += [time.perf_counter()] * (observer.content_chunks - before)
    if observer.ending != "complete":
        raise ProviderError(provider.name, f"a stream ended {observer.ending}")
    counted = (observer.usage or {}).get("completion_tokens")
    timed.counted = counted if isinstance(counted, int) else None


async def load(
    provider: OpenAIHTTPProvider,
    model: str,
    *,
    concurrency: int,
    seconds: float,
    requests: int | None = None,
) -> Load:
    """Keep some requests in flight for a while.

    Args:
        concurrency: how many.
        seconds: then those in flight are broken off; what they had brought counts.
        requests: this many at most; as many as fit if None.
    """
    sent: list[Timed] = []
    failures: list[str] = []
    started = time.perf_counter()

    async def worker() -> None:
        while not failures and (requests is None or len(sent) < requests):
            timed = Timed(time.perf_counter())
            sent.append(timed)
            try:
                await time_stream(provider, model, timed)
            except ProviderError as error:
                failures.append(str(error))

    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(worker() for _ in range(concurrency)))
    return Load(concurrency, tuple(sent), time.perf_counter() - started, tuple(failures))


def percentile(seen: Sequence[float], share: float, waits: Sequence[float] = ()) -> float | None:
    """Return the smallest value that at least a share of the values do not exceed.

    Args:
        seen: values, at least one here or in `waits`.
        share: from 0 to 1.
        waits: values that were not seen to their end: each is longer than this. They are weighed as
            Kaplan and Meier do (Nonparametric Estimation from Incomplete Observations, 1958).

    Returns:
        None if it lies beyond everything that was seen.
    """
    # At equal times, what was seen comes first: the other one lasted longer.
    ordered = sorted([(value, False) for value in seen] + [(value, True) for value in waits])
    beyond = 1.0
    for place, (value, waiting) in enumerate(ordered):
        if waiting:
            continue
        beyond *= 1 - 1 / (len(ordered) - place)
        if 1 - beyond >= share - _ROUNDING:
            return value
    return None
