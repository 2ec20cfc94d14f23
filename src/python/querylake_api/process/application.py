"""The application: hot routes first, FastAPI for everything else, one observer around both."""

# compiled: runs for each request.

from __future__ import annotations

import asyncio
import logging

from querylake_api.error_responses.delivery import send_error
from querylake_api.errors import internal_error, shutting_down
from querylake_api.http_server.asgi import AsgiApp, Receive, Scope, Send
from querylake_api.http_server.asgi_exchange import AsgiExchange
from querylake_api.http_server.exchange import EXCHANGE, Exchange, Headers
from querylake_api.observability.observer import Observer
from querylake_api.process.documented import DocumentedRequest
from querylake_api.process.generation import Generation
from querylake_api.process.generation_switch import GenerationSwitch
from querylake_api.requests.handling import Handling
from querylake_api.requests.identity import RequestIdentity
from querylake_api.requests.record import ResponseEnding, Workload

_log = logging.getLogger(__name__)


class Application:
    """The ASGI application.

    The routes that carry the traffic are found by a dictionary look-up ahead of FastAPI, whose
    routing and middleware cost more than the rest of such a request.
    """

    def __init__(
        self, generations: GenerationSwitch, documented: AsgiApp, observer: Observer
    ) -> None:
        self.generations = generations
        self._documented = documented
        self.observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection scope."""
        if scope["type"] != "http":
            await self._documented(scope, receive, send)
            return
        exchange: Exchange | None = scope.get(EXCHANGE)
        if exchange is None:
            exchange = scope[EXCHANGE] = AsgiExchange(scope, receive, send)
        identity = self.observer.begin(scope)
        exchange.headers = ((b"x-request-id", identity.request_id.encode()),)
        generation = self.generations.current
        generation.enter()
        handling = self._handling(generation, exchange, identity)
        try:
            await handling.run()
        except Exception:  # noqa: BLE001 - the last boundary: what nobody foresaw is logged here
            _log.exception("request %s failed", identity.request_id)
            if handling.ending is None:
                error = internal_error(identity.request_id)
                handling.ending = await send_error(exchange, error, handling.dialect)
        except asyncio.CancelledError:
            # The drain timeout. This is the end of the request's task, so it need not go further.
            if handling.ending is None:
                handling.ending = await send_error(exchange, shutting_down(), handling.dialect)
        finally:
            generation.leave()
            self.observer.finish(handling)
            # Last, so that whoever has a stream's end finds the request in the records.
            await exchange.finish()

    def _handling(
        self, generation: Generation, exchange: Exchange, identity: RequestIdentity
    ) -> Handling:
        """Return what handles a request."""
        scope = exchange.scope
        if generation.cors is not None:
            allowed = generation.cors.preflight(scope)
            if allowed is not None:
                return PreflightRequest(exchange, identity, allowed)
            exchange.headers += generation.cors.headers(scope)
        route = generation.route_of(scope["path"])
        if route is not None:
            return route(exchange, identity)
        return DocumentedRequest(self._documented, generation.components, exchange, identity)


class PreflightRequest(Handling):
    """Answers a browser's question before a request.

    Args:
        allowed: headers that say what pages may do.
    """

    __slots__ = ("_allowed",)

    def __init__(self, exchange: Exchange, identity: RequestIdentity, allowed: Headers) -> None:
        super().__init__(exchange, identity, Workload(), "openai")
        self._allowed = allowed

    async def run(self) -> None:
        """Answer."""
        self.exchange.begin(204, self._allowed, events=False)
        self.exchange.end(b"")
        self.ending = ResponseEnding(204, "success")
