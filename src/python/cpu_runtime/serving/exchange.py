"""One request and its answer: what was sent of it so far, and how it ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cpu_runtime.errors import RequestError
from cpu_runtime.serving.asgi import Scope, Send
from cpu_runtime.serving.dialects import OPENAI, Dialect

JSON = b"application/json"
CLIENT_LEFT = 499
"""nginx's number for an answer that nobody waits for any more."""

_EXCHANGE = "cpu_runtime.exchange"
_EVENT_STREAM = b"text/event-stream; charset=utf-8"


class Exchange:
    """An answer in the making.

    Attributes:
        route: the path, if it is one of ours; a stranger's path is not worth a counter.
        model: the name of the model that answers, once it is known.
        status: how it ended, or 0.
        last_event: makes the last event of a stream that breaks off.
    """

    __slots__ = ("_begun", "_dialect", "_send", "last_event", "model", "route", "status")

    def __init__(self, send: Send, dialect: Dialect = OPENAI) -> None:
        self.last_event: Callable[[RequestError], bytes] = dialect.event
        self._dialect = dialect
        self.route = "other"
        self.model = ""
        self.status = 0
        self._begun = False
        self._send = send

    @classmethod
    def of(cls, scope: Scope) -> Exchange:
        """Return the exchange of a request."""
        exchange = scope[_EXCHANGE]
        assert isinstance(exchange, cls)
        return exchange

    def attach(self, scope: Scope) -> None:
        """Make this the exchange of a request."""
        scope[_EXCHANGE] = self

    async def answer(
        self,
        body: bytes,
        *,
        status: int = 200,
        content_type: bytes = JSON,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Send a whole answer."""
        self.status = status
        self._begun = True
        pairs = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
        pairs += [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        await self._start(status, pairs)
        await self._body(body, more=False)

    async def event(self, event: bytes) -> None:
        """Send an event; the first one begins the answer."""
        if not self._begun:
            self._begun = True
            pairs = [
                (b"content-type", _EVENT_STREAM),
                (b"cache-control", b"no-cache"),
                (b"x-accel-buffering", b"no"),
            ]
            await self._start(200, pairs)
        await self._body(event, more=True)

    async def end(self) -> None:
        """End a stream that is complete."""
        self.status = 200
        await self._body(b"", more=False)

    async def fail(self, error: RequestError) -> None:
        """Tell the client of an error, as an answer, or as the last event of a stream."""
        if self.status:
            return  # the answer is complete
        if not self._begun:
            body = self._dialect.body(error)
            await self.answer(body, status=error.status, headers=error.headers)
            return
        self.status = error.status
        await self._body(self.last_event(error), more=False)

    def left(self) -> None:
        """Note that the client has left."""
        self.status = self.status or CLIENT_LEFT

    async def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        message: dict[str, Any] = {"type": "http.response.start", "status": status}
        await self._send({**message, "headers": headers})

    async def _body(self, body: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": more})
