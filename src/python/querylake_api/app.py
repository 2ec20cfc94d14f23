"""The application: hot routes first, FastAPI for everything else, one observer around both."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from querylake_api.asgi import RECORD, AsgiApp, Message, Receive, Scope, Send, tell
from querylake_api.background import in_background
from querylake_api.configuration.endpoints import router as config_router
from querylake_api.configuration.loading import Configuration
from querylake_api.configuration.reloading import Reloader
from querylake_api.error_handlers import add_error_handlers
from querylake_api.error_schema import ERROR_RESPONSES
from querylake_api.errors import internal_error, shutting_down
from querylake_api.generation import Standing
from querylake_api.generations import Generations
from querylake_api.health.endpoints import router as health_router
from querylake_api.inference.endpoints import router as models_router
from querylake_api.inference.openapi import document_inference_routes
from querylake_api.keys.authentication import Authenticator
from querylake_api.keys.endpoints import router as keys_router
from querylake_api.keys.repository import KeyRepository
from querylake_api.keys.ring import KeyRing
from querylake_api.limits.table import LimitsTable
from querylake_api.observability.access_log import AccessLog
from querylake_api.observability.log_writer import LogWriter
from querylake_api.observability.metrics import running_metrics
from querylake_api.observability.observer import Observer
from querylake_api.observability.request_record import (
    RecordSink,
    RequestRecord,
    outcome_of_status,
)
from querylake_api.observability.tracing import running_tracer
from querylake_api.ocr_client.openapi import document_ocr_routes
from querylake_api.persistence.database import open_database
from querylake_api.persistence.migrate import migrate
from querylake_api.rollouts.endpoints import router as rollouts_router
from querylake_api.rollouts.metrics import watch_rollouts
from querylake_api.rollouts.rollouts import Rollouts
from querylake_api.rollouts.ui.endpoints import router as rollouts_page_router
from querylake_api.services import SERVICES
from querylake_api.upstreams.endpoints import router as upstreams_router
from querylake_api.upstreams.metrics import watch_routing
from querylake_api.usage.endpoints import router as usage_router
from querylake_api.usage.ledger import running_ledger
from querylake_api.workers.worker import claim_worker
from querylake_version import VERSION

_log = logging.getLogger(__name__)


class Application:
    """The ASGI application.

    The routes that carry the traffic are found by a dictionary look-up ahead of FastAPI, whose
    routing and middleware cost more than the rest of such a request.
    """

    def __init__(self, generations: Generations, documented: AsgiApp, observer: Observer) -> None:
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
            route = generation.route_of(scope["path"])
            if route is not None:
                await route(scope, receive, send, record)
            else:
                scope[SERVICES] = generation.services
                await self._documented(scope, receive, _observed(send, record))
                record.route = getattr(scope.get("route"), "path", "")
        except Exception:  # noqa: BLE001 - the last boundary: what nobody foresaw is logged here
            _log.exception("request %s failed", record.request_id)
            await tell(send, internal_error(record.request_id), record)
        except asyncio.CancelledError:
            # The drain timeout. This is the end of the request's task, so it need not go further.
            await tell(send, shutting_down(), record)
        finally:
            generation.leave()
            self.observer.finish(record)


def _observed(send: Send, record: RequestRecord) -> Send:
    """Return a `send` that adds the request's id and notes the status."""

    async def observed(message: Message) -> None:
        if message["type"] == "http.response.start":
            status: int = message["status"]
            record.settle(status, outcome_of_status(status), record.error_code)
            message["headers"] = [
                *message["headers"],
                (b"x-request-id", record.request_id.encode()),
            ]
        await send(message)

    return observed


@asynccontextmanager
async def running_application(
    configuration: Configuration,
    writer: LogWriter | None = None,
    *,
    generation: int = 1,
    parent: Reloader | None = None,
) -> AsyncIterator[Application]:
    """Start everything that the application needs, give it, and stop everything.

    Args:
        writer: where access lines go; None for nowhere.
        generation: the number of the configuration.
        parent: reloads all workers of the server; None if this is the only one.

    Raises:
        OperatorError: the database or the state folder cannot be used.
    """
    async with AsyncExitStack() as stack:
        worker = stack.enter_context(claim_worker(configuration.state_folder()))
        limits = LimitsTable(worker)
        stack.callback(limits.close)
        database = await stack.enter_async_context(open_database(configuration))
        revision = await migrate(database)
        _log.info("database ready at revision %s", revision)
        ring = KeyRing(KeyRepository(database))
        await ring.refresh()
        await stack.enter_async_context(in_background({"the look at keys": ring.follow}))
        metrics = await stack.enter_async_context(running_metrics(worker.state, worker.index))
        rollouts = Rollouts(database, worker.state)
        ledger = await stack.enter_async_context(
            running_ledger(
                database,
                worker.state,
                metrics,
                max_bytes=configuration.settings.usage.max_spool_bytes,
            )
        )
        sinks: list[RecordSink] = [ledger, metrics, rollouts.recorder]
        tracer = await stack.enter_async_context(running_tracer(configuration.settings.tracing))
        if tracer is not None:
            sinks.append(tracer)
        if writer is not None:
            sinks.append(AccessLog(writer))
        observer = Observer(sinks, ledger, tracer)
        metrics.gauge(
            "querylake_requests_in_flight",
            "Requests that have begun and not ended.",
            lambda: [((), observer.in_flight)],
        )
        standing = Standing(
            database=database,
            ring=ring,
            limits=limits,
            authenticator=Authenticator(ring),
            metrics=metrics,
            observer=observer,
            rollouts=rollouts,
            worker=worker,
            started_at=int(time.time()),
        )
        generations = Generations(standing, parent)
        stack.push_async_callback(generations.close)
        await generations.adopt(generation, configuration)
        watch_routing(metrics, lambda: generations.current.services)
        watch_rollouts(metrics, rollouts)
        await stack.enter_async_context(rollouts.running(generations.present))
        yield Application(generations, _documented_application(), observer)


def _documented_application() -> FastAPI:
    app = FastAPI(
        title="QueryLake",
        version=VERSION,
        redoc_url=None,
        redirect_slashes=False,
        responses=ERROR_RESPONSES,
    )
    for router in (
        models_router,
        keys_router,
        upstreams_router,
        rollouts_router,
        usage_router,
        rollouts_page_router,
        config_router,
        health_router,
    ):
        app.include_router(router)
    add_error_handlers(app)
    document_inference_routes(app)
    document_ocr_routes(app)
    return app
