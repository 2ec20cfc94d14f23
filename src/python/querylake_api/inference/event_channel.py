"""Where the events of one stream go: its head once, then events, comments while it is silent."""

# compiled: runs for each request.

from __future__ import annotations

import asyncio

from llm_provider.provider import Patience, Sink
from querylake_api.http_server.asgi import EVENT_STREAM, Message, Send
from querylake_api.http_server.exchange import Exchange
from querylake_api.requests.record import RequestRecord

KEEP_ALIVE = b": keep-alive\n\n"
"""A comment, which clients of event streams pass over (WHATWG HTML, 9.2.6)."""


class EventChannel:
    """A client that is sent a stream of events.

    Args:
        exchange: takes events at once, without a task that wakes for each; None where there is
            only `send`.

    Attributes:
        began: whether the head has gone out, or goes out with the first event.
        counts: whether somebody wants to know of `sent`. To be set before `begin`.
        sent: pieces that were passed on.
    """

    __slots__ = ("_exchange", "_record", "_send", "_sending", "began", "counts", "sent")

    def __init__(self, send: Send, exchange: Exchange | None, record: RequestRecord) -> None:
        self._send = send
        self._exchange = exchange
        self._record = record
        self._sending: asyncio.Task[None] | None = None
        self.began = False
        self.counts = False
        self.sent = 0

    def begin(self) -> Sink:
        """Prepare the head, if that was not done, and return what takes events."""
        exchange = self._exchange
        if exchange is None:
            return self._passed
        if not self.began:
            self.began = True
            exchange.begin(200, _headers(self._record))
        self._record.streaming = True
        return self._counted if self.counts else exchange.pass_on

    def send_head(self) -> None:
        """Send the head by itself, if it has not gone."""
        if self._exchange is not None:
            self._exchange.send_head()

    def comment(self) -> None:
        """Send a comment, unless the client does not read what was sent before."""
        exchange = self._exchange
        if exchange is None:
            if self._sending is None or self._sending.done():
                self._sending = asyncio.create_task(self._comment())
            return
        if exchange.lost or exchange.answered:
            return
        self.begin()
        exchange.write(KEEP_ALIVE, more=True)

    async def end(self, last: bytes) -> None:
        """Send the end of a stream, or leave it to be sent when all is noted about the request.

        So whoever has the end of a stream will find it in the records. And the client's next
        request, which may come at once, does not wait for what is still to be done for this one.
        """
        if self._exchange is None:
            if self._sending is not None:
                await self._sending
            await self._start()
            await self._send(_body(last, more=False))
        else:
            self._exchange.end_with(last)

    def close(self) -> None:
        """End a comment that is still on its way."""
        if self._sending is not None:
            self._sending.cancel()

    def _counted(self, events: bytes) -> Patience | None:
        self.sent += 1
        assert self._exchange is not None
        return self._exchange.pass_on(events)

    async def _start(self) -> None:
        if not self.began:
            self.began = True
            self._record.streaming = True
            await self._send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": _headers(self._record),
                }
            )

    async def _comment(self) -> None:
        await self._start()
        await self._send(_body(KEEP_ALIVE, more=True))

    def _passed(self, events: bytes) -> Patience | None:
        self.sent += 1
        return self._pass(events)

    async def _pass(self, events: bytes) -> None:
        if self._sending is not None:
            await self._sending  # nothing may come between the parts of a message
        await self._start()
        await self._send(_body(events, more=True))


def _headers(record: RequestRecord) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-type", EVENT_STREAM),
        (b"cache-control", b"no-cache"),
        # nginx and others would hold the events back to fill a buffer.
        (b"x-accel-buffering", b"no"),
        (b"x-request-id", record.request_id.encode()),
        *record.headers,
    ]


def _body(content: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}
