"""Who may use an engine now, who waits, and who is sent away.

llama.cpp would queue as well, but a request that waits there holds one of its HTTP threads, and
health checks would go unanswered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cpu_runtime.errors import overloaded


class Gate:
    """Lets a number of requests through at a time, in the order in which they came.

    Attributes:
        running: how many are through.
        waiting: how many are not yet.
    """

    def __init__(self, name: str, *, slots: int, max_waiting: int) -> None:
        self.running = 0
        self.waiting = 0
        self._name = name
        self._max_waiting = max_waiting
        self._slots = asyncio.Semaphore(slots)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a slot, and hold it for the block.

        Raises:
            RequestError: too many wait already.
        """
        if self._slots.locked() and self.waiting >= self._max_waiting:
            raise overloaded(self._name, self.waiting)
        self.waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self.waiting -= 1
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1
            self._slots.release()
