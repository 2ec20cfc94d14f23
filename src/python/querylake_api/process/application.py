"""The application: hot routes first, FastAPI for everything else, one observer around both."""

# compiled: runs for each request.

from __future__ import annotations

import asyncio
import logging

from querylake_api.error_responses.delivery import tell
from querylake_api.errors import internal_error, shutting_down
from querylake_api.http_server.asgi import AsgiApp, Message, Receive, Scope, Send
from querylake_api.http_server.cors import Cors
from querylake_api.observability.observer import Observer
from querylake_api.process.components import COMPONENTS
from querylake_api.process.generation_switch import GenerationSwitch
from querylake_api.requests.record import RECORD, RequestRecord, outcome_of_status

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
        record = self.observer.begin(scope)
        scope[RECORD] = record
        generation = self.generations.current
        generation.enter()
        try:
            if generation.cors is not None and await _answered_for_pages(
                generation.cors, scope, send, record
            ):
                return
            route = generation.route_of(scope["path"])
            if route is not None:
                await route(scope, receive, send, record)
            else:
                scope[COMPONENTS] = generation.components
                asked = _as_get(scope) if scope["method"] == "HEAD" else scope
                await self._documented(asked, receive, _observed(send, record))
                record.route = getattr(asked.get("route"), "path", "")
        except Exception:  # noqa: BLE001 - the last boundary: what nobody foresaw is logged here
            _log.exception("request %s failed", record.request_id)
            await tell(send, internal_error(record.request_id), record)
        except asyncio.CancelledError:
            # The drain timeout. This is the end of the request's task, so it need not go further.
            await tell(send, shutting_down(), record)
        finally:
            generation.leave()
            self.observer.finish(record)


async def _answered_for_pages(cors: Cors, scope: Scope, send: Send, record: RequestRecord) -> bool:
    """Answer a browser's question before a request, or note what the answer says to pages."""
    headers = cors.preflight(scope)
    if headers is None:
        record.headers = cors.headers(scope)
        return False
    record.settle(204, "success")
    lines = [*headers, (b"x-request-id", record.request_id.encode())]
    await send({"type": "http.response.start", "status": 204, "headers": lines})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    return True


def _as_get(scope: Scope) -> Scope:
    """Return a scope for GET: HEAD is served wherever GET is, and the server keeps the body back.

    A copy, since the server reads its own scope to know that it has to.
    """
    return {**scope, "method": "GET"}


def _observed(send: Send, record: RequestRecord) -> Send:
    """Return a `send` that adds the request's id and notes the status."""

    async def observed(message: Message) -> None:
        if message["type"] == "http.response.start":
            status: int = message["status"]
            record.settle(status, outcome_of_status(status), record.error_code)
            message["headers"] = [
                *message["headers"],
                (b"x-request-id", record.request_id.encode()),
                *record.headers,
            ]
        await send(message)

    return observed
