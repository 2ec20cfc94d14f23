"""What stands between Serve's proxy and its clients.

`HTTPProxy.send_request_to_replica` (`ray/serve/_private/proxy.py`, Ray 2.60) sends nothing at all
if a replica dies before it has answered, and uvicorn makes a 500 of that. So an application that
returns without an answer is what tells it here.
"""

from __future__ import annotations

import logging

from ray.serve.context import _get_serve_request_context
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from request_replay.agreement import APPLICATION, IDENTITY, REPLAYED, new_identity
from request_replay.kept_request import KeptRequest, Room

REPLAYS = 1
"""A request that two replicas have died of may be what kills them."""

_REQUEST_ID = b"x-request-id"

# Serve writes what comes under this name to the proxy's own log.
_log = logging.getLogger("ray.serve.request_replay")


class Replaying:
    """Gives a request to another replica if the first one dies before it answers.

    What a client has had a byte of is never asked for again, nor what it no longer waits for.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._room = Room()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a connection, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = KeptRequest(receive, self._room)
        answer = _Answer(send, request)
        scope = {**scope, IDENTITY: new_identity()}
        try:
            for replays in range(REPLAYS + 1):
                # The proxy writes into the scope that it gets.
                offered = dict(scope)
                await self._app(offered, request.reading(), answer.send)
                if answer.begun or not request.repeatable or not _is_ours():
                    return
                if replays < REPLAYS:
                    answer.withdraw_head()
                    # With the id that it got, so that both replicas' logs name it alike.
                    scope["headers"] = offered["headers"]
                    scope[REPLAYED] = True
                    _log.warning("%s %s: its replica died, the next gets it", *_named(scope))
        finally:
            request.forget()


class _Answer:
    """Sends an answer on, and knows whether the client has any of it.

    Our application's head goes out with the beginning of its body, which follows at once: a replica
    that dies in between has not answered.
    """

    def __init__(self, send: Send, request: KeptRequest) -> None:
        self._send = send
        self._request = request
        self._head: Message | None = None
        self.begun = False

    async def send(self, message: Message) -> None:
        """Send a part of it, as ASGI has it."""
        if message["type"] == "http.response.start" and _is_ours():
            self._head = _with_one_id(message)
            return
        self.begun = True
        self._request.forget()
        head, self._head = self._head, None
        if head is not None:
            await self._send(head)
        await self._send(message)

    def withdraw_head(self) -> None:
        """Forget a head that nothing came after."""
        self._head = None


def middlewares() -> list[Middleware]:
    """Return what Serve is to put before its proxy.

    Serve calls it where `CALLBACK` says `REPLAYING`.
    """
    return [Middleware(Replaying)]


def _is_ours() -> bool:
    """Return whether the request of this task went to our application. The proxy has noted that."""
    return bool(_get_serve_request_context().app_name == APPLICATION)


def _with_one_id(head: Message) -> Message:
    """Return a head without the id that Serve adds to the application's own, which comes first."""
    headers = list(head["headers"])
    ids = [index for index, (name, _) in enumerate(headers) if name.lower() == _REQUEST_ID]
    for index in reversed(ids[1:]):
        del headers[index]
    return {**head, "headers": headers}


def _named(scope: Scope) -> tuple[str, str]:
    """Return the method and the id of a request."""
    ids = [value.decode("latin-1") for name, value in scope["headers"] if name == _REQUEST_ID]
    return scope["method"], ids[0] if ids else scope[IDENTITY]
