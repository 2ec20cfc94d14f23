"""Understanding a large request body without holding up everybody else's requests.

One step of such work takes some milliseconds at most, and then others get their turn. A thread
would not do: neither the JSON parser nor compiled modules let go of the interpreter's lock.
"""

# compiled: runs for each request.

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from llm_provider.provider import JsonObject
from llm_provider.top_level import TopLevelScan
from querylake_api.limits.estimate import PromptEstimate

LARGE_BYTES: Final = 100_000
"""Below this, a body is understood at once: that takes a few milliseconds, whatever it holds."""

Places = dict[str, list[tuple[int, int]]]
"""Where the values of top-level keys lie, by key."""

MODEL: Final = "model"
STREAM_OPTIONS: Final = "stream_options"
DOCUMENTS: Final = "documents"


async def in_turns(step: Callable[[], bool]) -> None:
    """Do work step by step, until a step says that nothing is left."""
    while step():
        await asyncio.sleep(0)
    await asyncio.sleep(0)


async def places_in(body: bytes) -> Places:
    """Return where the values lie that may have to be replaced."""
    scan = TopLevelScan(body, (MODEL, STREAM_OPTIONS, DOCUMENTS))
    await in_turns(scan.step)
    return scan.places


async def prompt_tokens_of(request: JsonObject) -> int:
    """Return the estimate of a request's own tokens."""
    estimate = PromptEstimate(request)
    await in_turns(estimate.step)
    return estimate.tokens
