"""How long work holds up the event loop."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager


async def longest_hold(work: asyncio.Task[None]) -> float:
    """Return how long the loop was held at most, in seconds of its thread's processor time."""
    longest = 0.0
    before = time.thread_time()
    while not work.done():
        await asyncio.sleep(0)
        now = time.thread_time()
        longest = max(longest, now - before)
        before = now
    await work
    return longest


@contextmanager
def frozen_heap() -> Iterator[None]:
    """Leave what is there already out of garbage collection, as a process that serves does."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
