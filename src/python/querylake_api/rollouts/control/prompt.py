"""Waiting a moment for the database, and no longer, whatever it does."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from querylake_api.persistence.errors import DatabaseUnavailable

T = TypeVar("T")


class Prompt:
    """Asks the database for things that must be answered soon, by whatever means.

    What takes longer is left to end by itself and not cancelled: to give a connection back whose
    server is frozen takes as long as the server does.

    Args:
        where: the database, as errors name it.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._late: set[asyncio.Task[Any]] = set()

    @property
    def late(self) -> bool:
        """Whether something has been asked that took too long and is not answered yet."""
        return bool(self._late)

    async def within(self, seconds: float, work: Coroutine[Any, Any, T]) -> T:
        """Return what the work returns.

        Raises:
            DatabaseUnavailable: it takes longer. What the work raises passes through.
        """
        task = asyncio.create_task(work)
        await asyncio.wait({task}, timeout=seconds)
        if task.done():
            return task.result()
        self._late.add(task)
        task.add_done_callback(self._ended)
        raise DatabaseUnavailable(self._where, f"no answer within {seconds:g} s")

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._late.discard(task)
        if not task.cancelled():
            task.exception()  # nobody waits for it any more
