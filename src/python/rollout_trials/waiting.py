"""Waiting for something, with an end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from rollout_trials.errors import TookTooLong

PAUSE_SECONDS = 0.1


async def until(holds: Callable[[], Awaitable[bool]], seconds: float, otherwise: str) -> None:
    """Wait until something holds.

    Args:
        otherwise: the sentence that says that it does not.

    Raises:
        TookTooLong: it does not hold in time.
    """
    try:
        async with asyncio.timeout(seconds):
            while not await holds():
                await asyncio.sleep(PAUSE_SECONDS)
    except TimeoutError:
        raise TookTooLong(f"{otherwise} after {seconds:.0f} s") from None
