"""Authentication as FastAPI endpoints ask for it, and before any of a request's body is read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from querylake_api.http_server.asgi import Message, Receive
from querylake_api.http_server.exchange import EXCHANGE, Exchange
from querylake_api.keys.models import ApiKey, Scope
from querylake_api.process.components import COMPONENTS, Components, ComponentsDep
from querylake_api.requests.body import read_body
from querylake_api.requests.disconnect import ClientLeft
from querylake_api.requests.endpoint_notes import NOTES, EndpointNotes
from querylake_api.requests.record import CLIENT_CLOSED

# Declares the scheme in the OpenAPI document. The check itself is `Authenticator`'s, so that
# documented and hot routes cannot differ.
_BEARER = HTTPBearer(auto_error=False, description="A QueryLake key, `sk-...`.")
_Documented = Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]


def _requires(scope: Scope) -> Callable[..., Awaitable[ApiKey]]:
    async def authenticated(
        request: Request, components: ComponentsDep, _documented: _Documented
    ) -> ApiKey:
        key = await components.authenticator.authenticate(request.scope["headers"], scope)
        notes: EndpointNotes = request.scope[NOTES]
        notes.key_id = key.id
        return key

    return authenticated


AdminKey = Annotated[ApiKey, Depends(_requires(Scope.ADMIN))]
InferenceKey = Annotated[ApiKey, Depends(_requires(Scope.INFERENCE))]

_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})


class AdminRoute(APIRoute):
    """A route for administrators, which reads nothing of a request before it knows the key.

    FastAPI reads and parses the body before it asks any dependency, so a stranger could have it
    take in whatever he sends. Here the key comes first, and then the body, within
    `server.max_admin_body_bytes` and `server.body_timeout_seconds`.
    """

    def get_route_handler(self) -> Callable[[Request], Any]:
        """Return what answers a request."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            scope = request.scope
            components: Components = scope[COMPONENTS]
            await components.authenticator.authenticate(scope["headers"], Scope.ADMIN)
            if request.method in _WITHOUT_BODY:
                return await handle(request)
            exchange: Exchange = scope[EXCHANGE]
            server = components.configuration.settings.server
            try:
                body = await read_body(
                    exchange,
                    limit=server.max_admin_body_bytes,
                    seconds=server.body_timeout_seconds,
                )
            except ClientLeft:
                notes: EndpointNotes = scope[NOTES]
                notes.left = True
                return Response(status_code=CLIENT_CLOSED)
            return await handle(Request(scope, _again(body, request.receive)))

        return guarded


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives a body once more, and then what comes after it."""
    given = False

    async def received() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return received
