"""Connections to one engine, kept open between requests."""

# compiled: runs for each request.

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from contextlib import suppress
from dataclasses import dataclass

from llm_provider.http_connection import HTTPConnection

KEEP_ALIVE_SECONDS = 4.0
"""Less than the 5 s after which uvicorn, and so vLLM, closes an idle connection: the side that
closes first cannot lose a request on a connection that the other side has just given up."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where connections go."""

    host: str
    port: int
    tls: bool


class HTTPPool:
    """The connections of one address.

    Args:
        limit: how many at most; 0 for no limit.

    Attributes:
        loop: that the connections belong to.
    """

    def __init__(self, address: Address, limit: int) -> None:
        self._address = address
        # Kept, since to ask for it is a system call: CPython looks whether the process has forked.
        self.loop = asyncio.get_running_loop()
        self._limit = limit
        self._tls = ssl.create_default_context() if address.tls else None
        # The last one that came back is the first to go out, so that the others may age.
        self._idle: list[HTTPConnection] = []
        self._open: set[HTTPConnection] = set()
        self._opening = 0
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._sweep: asyncio.TimerHandle | None = None

    async def acquire(self) -> HTTPConnection:
        """Return a connection that is free. It must be released or aborted.

        Raises:
            OSError: none could be made.
        """
        while True:
            connection = self.idle()
            if connection is not None:
                return connection
            if not self._limit or len(self._open) + self._opening < self._limit:
                return await self._connect()
            await self._wait()

    def release(self, connection: HTTPConnection) -> None:
        """Take a connection back, whose answer is complete."""
        loop = self.loop
        connection.idle_since = loop.time()
        self._idle.append(connection)
        if self._sweep is None:
            self._sweep = loop.call_later(KEEP_ALIVE_SECONDS, self._close_old)
        self._wake()

    async def close(self) -> None:
        """Close every connection."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for connection in list(self._open):
            connection.abort()
        self._idle.clear()
        # The loop closes sockets in its next round.
        await asyncio.sleep(0)

    def idle(self) -> HTTPConnection | None:
        """Return a connection that is open and free, if there is one; as `acquire`."""
        oldest = self.loop.time() - KEEP_ALIVE_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if connection.closed:
                continue
            if connection.idle_since >= oldest:
                return connection
            connection.abort()
        return None

    async def _connect(self) -> HTTPConnection:
        address = self._address
        self._opening += 1
        try:
            _, connection = await self.loop.create_connection(
                lambda: HTTPConnection(self._lost),
                address.host,
                address.port,
                ssl=self._tls,
                server_hostname=address.host if address.tls else None,
            )
            if not connection.closed:
                self._open.add(connection)
        finally:
            self._opening -= 1
            self._wake()
        return connection

    async def _wait(self) -> None:
        waiter: asyncio.Future[None] = self.loop.create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                # Gone already, if a connection became free between the cancellation and now.
                with suppress(ValueError):
                    self._waiters.remove(waiter)
            else:
                self._wake()  # what it was woken for is there for the next one
            raise

    def _wake(self) -> None:
        while self._limit and self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _lost(self, connection: HTTPConnection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._wake()

    def _close_old(self) -> None:
        self._sweep = None
        loop = self.loop
        oldest = loop.time() - KEEP_ALIVE_SECONDS
        old = [connection for connection in self._idle if connection.idle_since <= oldest]
        for connection in old:
            self._idle.remove(connection)
            connection.abort()
        if self._idle:
            next_at = self._idle[0].idle_since + KEEP_ALIVE_SECONDS
            self._sweep = loop.call_at(next_at, self._close_old)
