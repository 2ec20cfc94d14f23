"""How fast an engine is on this machine at this moment: what load it can take depends on that."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass

import aiohttp

ASKED = 12


@dataclass(frozen=True, slots=True)
class Speed:
    """Medians over a few streamed chats, one after the other.

    Attributes:
        whole: seconds for a whole answer.
        first: seconds to its first event.
    """

    whole: float
    first: float


async def speed_of(url: str, model: str, tokens: int) -> Speed:
    """Ask an engine a few times.

    Args:
        url: without `/v1`.
    """
    body = {
        "model": model,
        "stream": True,
        "max_tokens": tokens,
        "messages": [{"role": "user", "content": "What is the capital of France?"}],
    }
    wholes, firsts = [], []
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for _ in range(ASKED):
            began = time.monotonic()
            async with session.post(f"{url}/v1/chat/completions", json=body) as answer:
                await answer.content.readany()
                firsts.append(time.monotonic() - began)
                await answer.read()
            wholes.append(time.monotonic() - began)
            await asyncio.sleep(0)
    return Speed(statistics.median(wholes), statistics.median(firsts))
