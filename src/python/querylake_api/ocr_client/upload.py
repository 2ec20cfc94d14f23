"""A request's body on its way through, within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from querylake_api.errors import ApiError
from querylake_api.http_server.asgi import Message, Receive, Scope
from querylake_api.ocr_client.backlog import Backlog
from querylake_api.requests.body import declared_length
from querylake_api.requests.errors import body_too_large, body_too_slow


class Upload:
    """The body of one request: read as fast as it comes, and passed on as fast as it is taken.

    A client's leaving comes after everything that it has sent. So that it is noticed also while the
    service takes nothing, reading never waits for the service; what it has not taken is kept.

    Args:
        backlog: keeps it.
        limit: bytes at most.
        seconds: between two pieces at most.

    Attributes:
        size: bytes that have come so far.

    Raises:
        ApiError: 413, if the client says beforehand that it is too large.
    """

    def __init__(
        self, scope: Scope, receive: Receive, backlog: Backlog, *, limit: int, seconds: float
    ) -> None:
        if declared_length(scope) > limit:
            raise body_too_large(limit)
        self._receive = receive
        self._backlog = backlog
        self._limit = limit
        self._seconds = seconds
        self._reading = True
        self.size = 0

    async def receive(self) -> Message:
        """Take the next message in; for `WhileConnected`, which asks until the client leaves."""
        if not self._reading:
            return await self._receive()
        try:
            async with asyncio.timeout(self._seconds):
                message = await self._receive()
            await self._keep(message)
        except TimeoutError:
            self._end(body_too_slow(self._seconds))
            return {"type": "http.request"}
        except (ApiError, OSError) as error:
            self._end(error)
        return message

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body in its order.

        Raises:
            ApiError: 413 when it became too large, 408 when nothing came for too long.
            OSError: it could not be kept.
        """
        while piece := await self._backlog.take():
            yield piece

    async def _keep(self, message: Message) -> None:
        piece: bytes = message.get("body", b"")
        self.size += len(piece)
        if self.size > self._limit:
            raise body_too_large(self._limit)
        if piece:
            await self._backlog.put(piece)
        if not message.get("more_body", False):
            self._end()

    def _end(self, failure: Exception | None = None) -> None:
        self._reading = False
        self._backlog.end(failure)
