"""Requests being worked on, which end early when their client leaves or the server has to stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from cpu_runtime.errors import CpuRuntimeError, shutting_down
from cpu_runtime.serving.asgi import Receive

_Reason = Literal["left", "stopping"]


class ClientLeft(CpuRuntimeError):
    """The client closed its connection before it had its answer."""


class InFlight:
    """All requests being worked on."""

    def __init__(self) -> None:
        self._works: set[_Work] = set()
        self._stopping = False

    def end_all(self) -> None:
        """End every request now, and those to come at once."""
        self._stopping = True
        for work in tuple(self._works):
            work.interrupt("stopping")

    @asynccontextmanager
    async def work(self, receive: Receive) -> AsyncIterator[None]:
        """Run a block as long as somebody wants its result.

        To be entered when the request's body has been read: from then on a disconnect is all that
        ASGI's `receive` has to report.

        Raises:
            ClientLeft: from the block's end, if the client closed its connection.
            RequestError: likewise, if the server has to stop.
        """
        if self._stopping:
            raise shutting_down()
        task = asyncio.current_task()
        assert task is not None
        work = _Work(task)
        self._works.add(work)
        watcher = asyncio.create_task(_watch(receive, work))
        try:
            yield
        except asyncio.CancelledError:
            # With more cancellations than ours pending, somebody else wants the task to end too.
            if work.reason is None or task.uncancel() > 0:
                raise
            raise ClientLeft if work.reason == "left" else shutting_down() from None
        finally:
            self._works.discard(work)
            watcher.cancel()


class _Work:
    """A block that runs, and why it was ended."""

    __slots__ = ("_task", "reason")

    def __init__(self, task: asyncio.Task[object]) -> None:
        self.reason: _Reason | None = None
        self._task = task

    def interrupt(self, reason: _Reason) -> None:
        if self.reason is None:
            self.reason = reason
            self._task.cancel()


async def _watch(receive: Receive, work: _Work) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    work.interrupt("left")
