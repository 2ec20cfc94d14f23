"""Comments on a stream that is silent, for what stands between and closes idle connections."""

from __future__ import annotations

import asyncio

from querylake_api.inference.event_channel import EventChannel


class KeepAlive:
    """Comments on a stream for the time of a block, whenever it was silent for some seconds.

    The first comment takes the head of the stream with it: from then on the status is 200, and an
    error can only be told as an event. Another engine can still be asked, as long as no event has
    gone out.
    """

    __slots__ = ("_channel", "_loop", "_seconds", "_sent", "_timer")

    def __init__(self, channel: EventChannel, seconds: float) -> None:
        self._channel = channel
        self._seconds = seconds
        self._sent = 0
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        self._channel.counts = True
        self._wait()

    def __exit__(self, *exc_info: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._channel.close()

    def _wait(self) -> None:
        self._timer = self._loop.call_later(self._seconds, self._elapsed)

    def _elapsed(self) -> None:
        channel = self._channel
        if channel.sent == self._sent:
            channel.comment()
        self._sent = channel.sent
        self._wait()
