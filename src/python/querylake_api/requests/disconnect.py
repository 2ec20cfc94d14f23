"""Ending the work for a client that has left, whatever phase the work is in."""

# compiled: runs for each request.

from __future__ import annotations

import asyncio

from querylake_api.http_server.asgi import Receive
from querylake_api.http_server.exchange import Exchange


class ClientLeft(Exception):
    """The client closed its connection before it had its answer."""


class WhileConnected:
    """Runs a block only as long as the client is there.

    Like `asyncio.timeout`, but the clock is the client's connection: when it closes, the block is
    cancelled wherever it waits, and `ClientLeft` comes out of it. To be entered when the request's
    body has been read, since from then on a disconnect is all that ASGI's `receive` can report.

    Once the response has ended but for its last bytes, the block may end in its own time: ASGI
    reports that end in the same words, and there is nothing to cancel.

    Args:
        receive: reads the body meanwhile, until it reports that the client has left.

    Raises:
        ClientLeft: from the block's end.
    """

    __slots__ = ("_exchange", "_left", "_receive", "_task", "_watcher")

    def __init__(self, exchange: Exchange, receive: Receive | None = None) -> None:
        self._exchange = exchange
        self._receive = receive
        self._watcher: asyncio.Task[None] | None = None
        self._left = False

    def __enter__(self) -> None:
        # Not asked of asyncio, which costs more than all the rest of this.
        task = self._exchange.task
        assert task is not None
        self._task = task
        if self._receive is not None:
            self._watcher = asyncio.create_task(self._watch(self._receive))
        else:
            self._exchange.when_lost(self._end)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: object
    ) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
        else:
            self._exchange.when_lost(None)
        # With more cancellations than ours pending, somebody else wants the task to end too.
        ours = self._left and self._task.uncancel() == 0
        if ours and exc_type is not None and issubclass(exc_type, asyncio.CancelledError):
            raise ClientLeft from exc

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._end()

    def _end(self) -> None:
        if not self._exchange.ended:
            self._left = True
            self._task.cancel()
