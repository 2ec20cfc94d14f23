"""Asking a dependency whether it responds, in bounded time whatever it does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

from pydantic import BaseModel

PROBE_SECONDS = 0.5
"""How long a dependency may take before it counts as down. `/readyz` responds within a second."""

GIVE_UP_SECONDS = 30.0
"""When a question that nobody waits for any more is cancelled, and another may be asked."""


class DependencyState(BaseModel):
    """What is known of one dependency."""

    state: Literal["up", "down"]
    detail: str


class Probe:
    """One dependency. It is asked one question at a time.

    A question is not cancelled when the time is over: to cancel what waits for a database that
    hangs takes seconds, since its connection is closed with care. It goes on, and whoever asks
    meanwhile waits for the same response.

    Args:
        ask: returns what is wrong, or None; it handles its own errors.
    """

    def __init__(self, ask: Callable[[], Awaitable[str | None]]) -> None:
        self._ask = ask
        self._asking: asyncio.Task[str | None] | None = None

    async def state(self) -> DependencyState:
        """Return whether it responds within `PROBE_SECONDS`."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._asked())
        done, _ = await asyncio.wait((self._asking,), timeout=PROBE_SECONDS)
        if not done:
            detail = f"no response within {PROBE_SECONDS:g} s"
            return DependencyState(state="down", detail=detail)
        trouble = self._asking.result()
        if trouble is not None:
            return DependencyState(state="down", detail=trouble)
        return DependencyState(state="up", detail="answers")

    async def _asked(self) -> str | None:
        try:
            async with asyncio.timeout(GIVE_UP_SECONDS):
                return await self._ask()
        except TimeoutError:
            return f"no response within {GIVE_UP_SECONDS:g} s"
