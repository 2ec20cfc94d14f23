"""An exchange over plain ASGI: under Ray Serve's proxy, or any server that is not ours."""

# compiled: of a compiled class there are no interpreted subclasses.

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from llm_provider.provider import Drain
from querylake_api.http_server.asgi import Message, Receive, Scope, Send, content_coding
from querylake_api.http_server.exchange import Exchange, Headers


class AsgiExchange(Exchange):
    """One request of a server that calls us by ASGI alone.

    The server tells of a lost client only to whoever asks, so a task asks while that matters. A
    comment is sent by a task of its own, since whoever comments does not wait.
    """

    __slots__ = ("_head", "_last", "_on_lost", "_receive", "_send", "_sending", "_watcher")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(
            cast("dict[str, Any]", scope), content_coding(scope), asyncio.current_task()
        )
        self._receive = receive
        self._send = send
        self._head: Message | None = None
        self._last: bytes | None = None
        self._on_lost: Callable[[], None] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._sending: asyncio.Task[None] | None = None

    def arrived_body(self) -> bytes | None:
        """Return None: what has come is known once it was received."""
        return None

    async def receive(self) -> Message:
        """Return what came next from the client: ASGI's `receive`."""
        return await self._receive()

    def when_lost(self, call: Callable[[], None] | None) -> None:
        """Have something called when the client goes away; see `Exchange.when_lost`."""
        self._on_lost = call
        if call is None and self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None
        elif call is not None and self._watcher is None:
            self._watcher = asyncio.create_task(self._watch())

    async def send(self, message: Message) -> None:
        """Send the next part of the response: ASGI's `send`, with the headers of every response."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *self.headers]
        elif not message.get("more_body", False):
            self.ended = True
        await self._send(message)

    async def respond(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole response."""
        # Told before it is sent: a client that leaves while it is sent misses nothing of it.
        self.ended = True
        length = (b"content-length", b"%d" % len(body))
        await self.send(_start(status, (*headers, length)))
        await self._send(_body(body, more=False))

    def begin(self, status: int, headers: Headers, *, events: bool) -> None:
        """Prepare the head of a response; see `Exchange.begin`."""
        self.status = status
        self.streaming = events
        self._head = _start(status, headers)

    async def send_head(self) -> None:
        """Send the head by itself, if it has not gone."""
        head, self._head = self._head, None
        if head is not None:
            await self.send(head)

    def pass_on(self, piece: bytes) -> Drain | None:
        """Send a piece of the body once what is returned was waited for."""
        self.passed += 1
        return self._pass(piece)

    def comment(self, piece: bytes) -> None:
        """Send a piece of the body, unless the last comment is still on its way."""
        if not self.ended and (self._sending is None or self._sending.done()):
            self._sending = asyncio.create_task(self._write(piece))

    def end(self, last: bytes) -> None:
        """Take the last piece of the body, which goes out with `finish`."""
        self._last = last
        self.streaming = False
        self.ended = True

    async def finish(self) -> None:
        """Send what was kept for the end, and end the tasks."""
        self.when_lost(None)
        last, self._last = self._last, None
        if last is not None:
            await self._commented()
            await self.send_head()
            await self._send(_body(last, more=False))
        elif self._sending is not None:
            self._sending.cancel()

    async def _pass(self, piece: bytes) -> None:
        await self._commented()
        await self._write(piece)

    async def _write(self, piece: bytes) -> None:
        await self.send_head()
        await self._send(_body(piece, more=True))

    async def _commented(self) -> None:
        """Wait for a comment: nothing may come between the parts of a message."""
        if self._sending is not None:
            await self._sending

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        call, self._on_lost = self._on_lost, None
        if call is not None:
            call()


def _start(status: int, headers: Headers) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def _body(content: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}
