"""Loops that run beside the requests, for as long as a process serves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress

_log = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
"""How long after its failure a loop is begun again."""


@asynccontextmanager
async def in_background(
    loops: Mapping[str, Callable[[], Coroutine[None, None, None]]],
) -> AsyncIterator[None]:
    """Run loops until the block ends, whatever they meet.

    Nobody would notice that a loop has ended of something it does not expect, nor that what it
    keeps fresh is stale: a revoked key would be good for ever. So it is reported, and begun again.

    Args:
        loops: what runs until it is cancelled, by its name in the log.
    """
    tasks = [asyncio.create_task(_kept_up(name, loop), name=name) for name, loop in loops.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def pause(seconds: float, hurry: asyncio.Event) -> None:
    """Wait, but no longer than until there is a hurry, which is over with that."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await hurry.wait()
    hurry.clear()


async def _kept_up(name: str, loop: Callable[[], Coroutine[None, None, None]]) -> None:
    while True:
        try:
            await loop()
        except Exception:  # noqa: BLE001 - loops handle what they expect; this is for all else
            _log.exception("%s ended; it is begun again in %g s", name, PAUSE_SECONDS)
        await asyncio.sleep(PAUSE_SECONDS)
