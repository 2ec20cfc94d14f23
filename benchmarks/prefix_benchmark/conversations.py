"""What users do: conversations of several turns, with instructions that many of them share."""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx

from gateway_benchmark.mock_engine import MODEL

_WORDS = (
    "account invoice refund order delivery address update status cancel confirm price discount "
    "return policy warranty repair service manager schedule meeting"
).split()


@dataclass(frozen=True, slots=True)
class Workload:
    """How many conversations there are, and of what length.

    Attributes:
        instructions: different system prompts, shared by the conversations.
        instruction_tokens: of each of them.
        question_tokens: of each message of a user.
        answer_tokens: of each answer.
        users: conversations under way at once.
    """

    conversations: int = 30
    turns: int = 6
    instructions: int = 5
    instruction_tokens: int = 1000
    question_tokens: int = 60
    answer_tokens: int = 32
    users: int = 10


@dataclass(frozen=True, slots=True)
class Turn:
    """One request and its response.

    Attributes:
        first: seconds to the first content; None if the request failed.
        tokens: pieces of content.
    """

    first: float | None
    tokens: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """All turns of a workload.

    Attributes:
        seconds: from the first request to the last byte.
    """

    turns: tuple[Turn, ...]
    seconds: float

    @property
    def failed(self) -> int:
        """Requests without a response."""
        return sum(turn.first is None for turn in self.turns)

    @property
    def mean_first(self) -> float:
        """Mean seconds to the first content."""
        return statistics.fmean(turn.first for turn in self.turns if turn.first is not None)

    @property
    def tokens_per_second(self) -> float:
        """Generated tokens of all users a second."""
        return sum(turn.tokens for turn in self.turns) / self.seconds


def _text(source: random.Random, tokens: int) -> str:
    words: list[str] = []
    length = 0
    while length < 4 * tokens:
        words.append(source.choice(_WORDS))
        length += len(words[-1]) + 1
    return " ".join(words)


async def hold(
    workload: Workload,
    url: str,
    keys: Sequence[str],
    *,
    seed: int,
    after: tuple[int, Callable[[], None]] | None = None,
) -> Outcome:
    """Hold every conversation, each user one after the other.

    Args:
        url: up to and including `/v1`.
        keys: of which each conversation uses one.
        seed: of the texts; another seed is other texts.
        after: what to do once, when so many turns have ended.
    """
    source = random.Random(seed)
    prompts = [_text(source, workload.instruction_tokens) for _ in range(workload.instructions)]
    waiting = list(range(workload.conversations))
    turns: list[Turn] = []
    async with httpx.AsyncClient(
        trust_env=False, timeout=120, limits=httpx.Limits(max_connections=None)
    ) as client:

        async def user() -> None:
            while waiting:
                number = waiting.pop(0)
                own = random.Random(seed * 10_000 + number)
                messages = [{"role": "system", "content": prompts[number % len(prompts)]}]
                key = keys[number % len(keys)]
                for _ in range(workload.turns):
                    question = _text(own, workload.question_tokens)
                    messages.append({"role": "user", "content": question})
                    turn, answer = await _ask(client, url, key, messages, workload.answer_tokens)
                    messages.append({"role": "assistant", "content": answer})
                    turns.append(turn)
                    if after is not None and len(turns) == after[0]:
                        after[1]()

        started = time.perf_counter()
        await asyncio.gather(*(user() for _ in range(workload.users)))
        return Outcome(tuple(turns), time.perf_counter() - started)


async def _ask(
    client: httpx.AsyncClient, url: str, key: str, messages: list[dict[str, str]], tokens: int
) -> tuple[Turn, str]:
    document = {
        "model": MODEL,
        "messages": messages,
        "max_tokens": tokens,
        "stream": True,
        "temperature": 0,
        "ignore_eos": True,
    }
    headers = {"authorization": f"Bearer {key}"}
    started = time.perf_counter()
    first: float | None = None
    pieces: list[str] = []
    try:
        async with client.stream(
            "POST", f"{url}/chat/completions", json=document, headers=headers
        ) as response:
            if response.status_code != 200:
                return Turn(None, 0), ""
            async for line in response.aiter_lines():
                piece = _content(line)
                if piece:
                    first = time.perf_counter() - started if first is None else first
                    pieces.append(piece)
    except httpx.HTTPError:
        return Turn(None, 0), ""
    return Turn(first, len(pieces)), "".join(pieces)


def _content(line: str) -> str:
    if not line.startswith("data: {"):
        return ""
    choices = json.loads(line[6:]).get("choices")
    return (choices[0]["delta"].get("content") or "") if choices else ""
