"""How fast an engine is on this machine at this moment: what load it can take depends on that."""

from __future__ import annotations

import statistics
import time

import aiohttp

ASKED = 12


async def seconds_of_answer(url: str, model: str, tokens: int) -> float:
    """Return the median of a few streamed chats, one after the other.

    Args:
        url: without `/v1`.
    """
    body = {
        "model": model,
        "stream": True,
        "max_tokens": tokens,
        "messages": [{"role": "user", "content": "What is the capital of France?"}],
    }
    seconds = []
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for _ in range(ASKED):
            began = time.monotonic()
            async with session.post(f"{url}/v1/chat/completions", json=body) as answer:
                await answer.read()
            seconds.append(time.monotonic() - began)
    return statistics.median(seconds)
