"""So many requests at once, the next ones in a line, and the rest turned away."""

# compiled: runs for each request.

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Final

from querylake_api.inference.errors import queue_full, queue_timeout

_MAX_RETRY_AFTER: Final = 60


@dataclass(frozen=True, slots=True)
class GateLimits:
    """The limits of one gate.

    Attributes:
        concurrency: requests inside at once.
        queue: requests in the line.
        seconds: how long one may wait there.
    """

    concurrency: int
    queue: int
    seconds: float


class Gate:
    """Lets requests in, first come, first served.

    Attributes:
        running: requests inside.
    """

    def __init__(self, model: str, limits: GateLimits) -> None:
        self._model = model
        self._limits = limits
        self.running = 0
        # In the order of arrival, and quick to leave from the middle.
        self._line: dict[asyncio.Future[None], None] = {}
        self._mean_seconds = 1.0

    @property
    def waiting(self) -> int:
        """Requests in the line."""
        return len(self._line)

    async def enter(self) -> None:
        """Return once inside. Whoever is inside has to call `leave`.

        Raises:
            ApiError: 429 if the line is full, 503 if waiting took too long.
        """
        if self.running < self._limits.concurrency and not self._line:
            self.running += 1
            return
        if len(self._line) >= self._limits.queue:
            raise queue_full(self._model, self._retry_after())
        await self._wait()

    def leave(self, seconds: float) -> None:
        """Make room for the next one.

        Args:
            seconds: how long the request was inside.
        """
        # A moving mean over the last dozen or so, for the estimate in Retry-After only.
        self._mean_seconds += (seconds - self._mean_seconds) / 16
        self._pass_on()

    async def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        place: asyncio.Future[None] = loop.create_future()
        self._line[place] = None
        timer = loop.call_later(self._limits.seconds, self._give_up, place)
        try:
            await place
        except asyncio.CancelledError:
            self._line.pop(place, None)
            if not place.cancelled() and place.exception() is None:
                # Let in and cancelled in the same moment: the room goes to the next one.
                self._pass_on()
            raise
        finally:
            timer.cancel()

    def _give_up(self, place: asyncio.Future[None]) -> None:
        if not place.done():
            del self._line[place]
            place.set_exception(queue_timeout(self._model, self._limits.seconds))

    def _pass_on(self) -> None:
        """Give the room of one request to the first in the line, or leave it free."""
        while self._line:
            place = next(iter(self._line))
            del self._line[place]
            if not place.done():  # it may just have been cancelled
                place.set_result(None)
                return
        self.running -= 1

    def _retry_after(self) -> int:
        """Return a guess of when the line will have moved on."""
        ahead = len(self._line) + self.running
        seconds = self._mean_seconds * ahead / self._limits.concurrency
        return min(max(1, math.ceil(seconds)), _MAX_RETRY_AFTER)
