"""Comments on a stream that is silent, for what stands between and closes idle connections."""

from __future__ import annotations

import asyncio

from querylake_api.http_server.asgi import EVENT_HEADERS
from querylake_api.http_server.exchange import Exchange

COMMENT = b": keep-alive\n\n"
"""Clients of event streams pass over comments (WHATWG HTML, 9.2.6)."""


class KeepAlive:
    """Comments on a stream for the time of a block, whenever it was silent for some seconds.

    The first comment takes the head of the stream with it: from then on the status is 200, and an
    error can only be told as an event. Another engine can still be asked, as long as no event has
    gone out.
    """

    __slots__ = ("_exchange", "_loop", "_seconds", "_passed", "_timer")

    def __init__(self, exchange: Exchange, seconds: float) -> None:
        self._exchange = exchange
        self._seconds = seconds
        self._passed = 0
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        self._wait()

    def __exit__(self, *exc_info: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self) -> None:
        self._timer = self._loop.call_later(self._seconds, self._elapsed)

    def _elapsed(self) -> None:
        exchange = self._exchange
        if exchange.passed == self._passed and not exchange.ended:
            if not exchange.streaming:
                exchange.begin(200, EVENT_HEADERS, events=True)
            exchange.comment(COMMENT)
        self._passed = exchange.passed
        self._wait()
