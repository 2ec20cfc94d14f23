"""A deadline that moves with every piece of a response, and passes for hardly any."""

# compiled: runs for each request.

from __future__ import annotations

import asyncio
from typing import Protocol


class Waiting(Protocol):
    """Waits for something, but not for ever."""

    def on_timeout(self) -> None:
        """The time is over."""
        ...


class DeadlineTimer:
    """One timer for all the waiting on one connection.

    A timer of the loop for each wait would be started and cancelled for each piece of each stream.
    This one is left to run when the deadline moves away from it, and looks again when it fires.
    """

    __slots__ = ("_at", "_loop", "_timer", "_timer_at", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: Waiting | None = None
        self._at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    def set(self, waiting: Waiting, at: float) -> None:
        """Call `on_timeout` of somebody at a moment of the loop's clock, and of nobody before."""
        self._waiting = waiting
        self._at = at
        if self._timer is None or at < self._timer_at:
            self._start(at)

    def clear(self) -> None:
        """Call nobody."""
        self._waiting = None

    def stop(self) -> None:
        """Call nobody, ever again."""
        self._waiting = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_at(at, self._fire)

    def _fire(self) -> None:
        self._timer = None
        waiting = self._waiting
        if waiting is None:
            return
        if self._loop.time() < self._at:
            self._start(self._at)
            return
        self._waiting = None
        waiting.on_timeout()
