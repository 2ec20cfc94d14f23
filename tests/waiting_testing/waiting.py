"""Waiting until something holds that no event tells of."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")

PATIENCE = 120.0
"""Seconds that anything may take on a machine that is busy with other tests. Nothing waits so long
unless it fails, and no test measures time by it."""


@overload
async def eventually(
    look: Callable[[], Awaitable[T]], holds: Callable[[T], object] = bool, *, pause: float = 0.02
) -> T: ...
@overload
async def eventually(
    look: Callable[[], T], holds: Callable[[T], object] = bool, *, pause: float = 0.02
) -> T: ...
async def eventually(
    look: Callable[[], object], holds: Callable[..., object] = bool, *, pause: float = 0.02
) -> object:
    """Look again and again, and return what was seen once it holds.

    Args:
        look: returns what is to be seen, or an awaitable of it.
        holds: whether that is what is waited for; by default, whether it is true.
        pause: seconds between two looks.

    Raises:
        AssertionError: it has not held for `PATIENCE`; the message has what was seen last.
    """
    seen: object = None
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                seen = look()
                if inspect.isawaitable(seen):
                    seen = await seen
                if holds(seen):
                    return seen
                await asyncio.sleep(pause)
    except TimeoutError:
        raise AssertionError(f"not in {PATIENCE:g} s; seen last: {seen!r:.500}") from None
