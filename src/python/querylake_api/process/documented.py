"""Requests that FastAPI handles: everything but the routes that carry the traffic."""

# compiled: of a compiled class there are no interpreted subclasses.

from __future__ import annotations

from querylake_api.http_server.asgi import AsgiApp, Scope
from querylake_api.http_server.exchange import Exchange
from querylake_api.process.components import COMPONENTS, Components
from querylake_api.requests.endpoint_notes import NOTES, EndpointNotes
from querylake_api.requests.handling import Handling
from querylake_api.requests.identity import RequestIdentity
from querylake_api.requests.record import (
    CLIENT_CLOSED,
    ResponseEnding,
    Workload,
    outcome_of_status,
)


class DocumentedRequest(Handling):
    """Handles one request by giving it to FastAPI."""

    __slots__ = ("_app", "_components")

    def __init__(
        self, app: AsgiApp, components: Components, exchange: Exchange, identity: RequestIdentity
    ) -> None:
        # Of internal errors only: FastAPI's handlers word all others.
        super().__init__(exchange, identity, Workload(), "openai")
        self._app = app
        self._components = components

    async def run(self) -> None:
        """Handle the request to its end, whatever that is."""
        exchange = self.exchange
        scope: Scope = exchange.scope
        scope[COMPONENTS] = self._components
        notes = scope[NOTES] = EndpointNotes(self.identity.request_id)
        asked = _as_get(scope) if scope["method"] == "HEAD" else scope
        try:
            await self._app(asked, exchange.receive, exchange.send)
        finally:
            route = getattr(asked.get("route"), "path", "")
            self.workload = Workload(route, notes.key_id)
            if notes.left:
                self.ending = ResponseEnding(CLIENT_CLOSED, "client_abort")
            elif status := exchange.status:
                outcome = outcome_of_status(status)
                self.ending = ResponseEnding(status, outcome, notes.error_code)


def _as_get(scope: Scope) -> Scope:
    """Return a scope for GET: HEAD is served wherever GET is, and the server keeps the body back.

    A copy, since the server reads its own scope to know that it has to.
    """
    return {**scope, "method": "GET"}
