"""A request's body on its way through: never held as a whole, and within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from querylake_api.asgi import Message, Receive, Scope
from querylake_api.inference.body import declared_length
from querylake_api.inference.disconnect import ClientLeft
from querylake_api.inference.errors import body_too_large, body_too_slow


class Upload:
    """The body of one request.

    Args:
        limit: bytes at most.
        seconds: between two pieces at most.

    Attributes:
        size: bytes that have come so far.

    Raises:
        ApiError: 413, if the client says beforehand that it is too large.
    """

    def __init__(self, scope: Scope, receive: Receive, *, limit: int, seconds: float) -> None:
        if declared_length(scope) > limit:
            raise body_too_large(limit)
        self._receive = receive
        self._limit = limit
        self._seconds = seconds
        self._complete = asyncio.Event()
        self.size = 0

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes, and ask for no more than is taken.

        Raises:
            ApiError: 413 when it becomes too large, 408 when nothing comes for too long.
            ClientLeft: the client went away in the middle of it.
        """
        more = True
        while more:
            message = await self._next()
            if message["type"] == "http.disconnect":
                raise ClientLeft
            piece: bytes = message.get("body", b"")
            self.size += len(piece)
            if self.size > self._limit:
                raise body_too_large(self._limit)
            more = message.get("more_body", False)
            if piece:
                yield piece
        self._complete.set()

    async def receive_after(self) -> Message:
        """Receive what comes after the body; for `WhileConnected`."""
        await self._complete.wait()
        return await self._receive()

    async def _next(self) -> Message:
        try:
            async with asyncio.timeout(self._seconds):
                return await self._receive()
        except TimeoutError:
            raise body_too_slow(self._seconds) from None
