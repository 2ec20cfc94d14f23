"""Ending the work for a client that has left, whatever phase the work is in."""

# compiled: runs for each request.

from __future__ import annotations

import asyncio

from querylake_api.http_server.asgi import Receive
from querylake_api.http_server.exchange import Exchange
from querylake_api.requests.record import RequestRecord


class ClientLeft(Exception):
    """The client closed its connection before it had its answer."""


class WhileConnected:
    """Runs a block only as long as the client is there.

    Like `asyncio.timeout`, but the clock is the client's connection: when it closes, the block is
    cancelled wherever it waits, and `ClientLeft` comes out of it. To be entered when the request's
    body has been read, since from then on a disconnect is all that ASGI's `receive` can report.

    Args:
        receive: asked where there is no exchange.
        record: once it is settled, the answer is out but for its last bytes, and the block may end
            in its own time.
        exchange: tells by itself when the client is lost; None under a server that is not ours.

    Raises:
        ClientLeft: from the block's end.
    """

    __slots__ = ("_exchange", "_left", "_receive", "_record", "_task", "_watcher")

    def __init__(
        self, receive: Receive, record: RequestRecord, exchange: Exchange | None = None
    ) -> None:
        self._receive = receive
        self._record = record
        self._exchange = exchange
        self._watcher: asyncio.Task[None] | None = None
        self._left = False

    def __enter__(self) -> None:
        exchange = self._exchange
        # To ask for it costs more than all the rest of this.
        task = asyncio.current_task() if exchange is None else exchange.task
        assert task is not None
        self._task = task
        if exchange is None:
            self._watcher = asyncio.create_task(self._watch())
        elif exchange.lost:
            self._end()
        else:
            exchange.when_lost(self._end)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: object
    ) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
        elif self._exchange is not None:
            self._exchange.when_lost(None)
        # With more cancellations than ours pending, somebody else wants the task to end too.
        ours = self._left and self._task.uncancel() == 0
        if ours and exc_type is not None and issubclass(exc_type, asyncio.CancelledError):
            raise ClientLeft from exc

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._end()

    def _end(self) -> None:
        # ASGI reports the end of the answer in the same words; then there is nothing to cancel.
        if self._record.outcome is None:
            self._left = True
            self._task.cancel()
