"""Starting and stopping everything that the application needs."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from fastapi import FastAPI

from querylake_api.configuration.endpoints import router as config_router
from querylake_api.configuration.loading import Configuration
from querylake_api.configuration.reloading import Reloader
from querylake_api.console.endpoints import console_router
from querylake_api.console.pages import router as pages_router
from querylake_api.error_responses.schema import ERROR_RESPONSES
from querylake_api.event_loop.background import in_background
from querylake_api.event_loop.delay import watch_delay
from querylake_api.health.endpoints import router as health_router
from querylake_api.health.front_page import router as front_page_router
from querylake_api.inference.census import FieldCensus
from querylake_api.inference.endpoints import admin_router as contract_router
from querylake_api.inference.endpoints import router as models_router
from querylake_api.inference.openapi import document_inference_routes
from querylake_api.keys.authentication import Authenticator
from querylake_api.keys.endpoints import router as keys_router
from querylake_api.keys.repository import KeyRepository
from querylake_api.keys.ring import KeyRing
from querylake_api.limits.table import LimitsTable
from querylake_api.observability.access_log import AccessLog
from querylake_api.observability.history import TrafficHistory
from querylake_api.observability.log_writer import LogWriter
from querylake_api.observability.observer import Observer
from querylake_api.observability.running import running_metrics
from querylake_api.ocr_client.openapi import document_ocr_routes
from querylake_api.parity.endpoints import router as parity_router
from querylake_api.parity.service import Parity
from querylake_api.persistence.database import open_database
from querylake_api.persistence.migrate import migrate
from querylake_api.process.application import Application
from querylake_api.process.error_handlers import add_error_handlers
from querylake_api.process.generation import LastingComponents
from querylake_api.process.generation_switch import GenerationSwitch
from querylake_api.process.routing_metrics import watch_routing
from querylake_api.requests.record import RecordSink
from querylake_api.rollouts.control.rollouts import Rollouts
from querylake_api.rollouts.endpoints import router as rollouts_router
from querylake_api.rollouts.metrics import watch_rollouts
from querylake_api.upstreams.endpoints import router as upstreams_router
from querylake_api.usage.endpoints import own_router as own_usage_router
from querylake_api.usage.endpoints import router as usage_router
from querylake_api.usage.running import running_ledger
from querylake_api.workers.worker import claim_worker
from querylake_version import VERSION

_log = logging.getLogger(__name__)


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
        watch = partial(watch_delay, partial(metrics.loop_delay.observe, ()))
        await stack.enter_async_context(in_background({"the watch of the event loop": watch}))
        history = TrafficHistory(metrics, worker.state)
        await stack.enter_async_context(in_background({"the traffic history": history.follow}))
        parity = Parity(database, metrics)
        rollouts = Rollouts(database, worker.state, parity.judges)
        ledger = await stack.enter_async_context(
            running_ledger(
                database,
                worker.state,
                metrics,
                max_bytes=configuration.settings.usage.max_spool_bytes,
            )
        )
        sinks: list[RecordSink] = [ledger, metrics, rollouts.recorder]
        tracer = None
        if configuration.settings.tracing.endpoint is not None:
            # OpenTelemetry's SDK takes 9 MB, and most servers have no collector.
            from querylake_api.observability.tracing import running_tracer

            tracer = await stack.enter_async_context(running_tracer(configuration.settings.tracing))
            sinks.append(tracer)
        if writer is not None:
            sinks.append(AccessLog(writer))
        observer = Observer(sinks, tracer)
        metrics.gauge(
            "querylake_requests_in_flight",
            "Running requests.",
            lambda: [((), observer.in_flight)],
        )
        lasting = LastingComponents(
            database=database,
            ring=ring,
            limits=limits,
            authenticator=Authenticator(ring),
            metrics=metrics,
            history=history,
            observer=observer,
            census=FieldCensus(metrics.request_fields),
            journal=ledger,
            rollouts=rollouts,
            parity=parity,
            worker=worker,
            started_at=int(time.time()),
        )
        generations = GenerationSwitch(lasting, parent)
        stack.push_async_callback(generations.close)
        await generations.adopt(generation, configuration)
        watch_routing(metrics, lambda: generations.current.components)
        watch_rollouts(metrics, rollouts)
        await stack.enter_async_context(parity.running(rollouts.all_pairing))
        await stack.enter_async_context(rollouts.running(generations.present))
        yield Application(generations, _documented_application(), observer)


def _documented_application() -> FastAPI:
    app = FastAPI(
        title="QueryLake",
        version=VERSION,
        # With the renderer that is shipped: see `console.pages`.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # As on the hot routes: whoever forgets the header means JSON.
        strict_content_type=False,
        responses=ERROR_RESPONSES,
    )
    for router in (
        models_router,
        contract_router,
        keys_router,
        upstreams_router,
        rollouts_router,
        parity_router,
        usage_router,
        own_usage_router,
        console_router(),
        pages_router,
        config_router,
        health_router,
        front_page_router,
    ):
        app.include_router(router)
    add_error_handlers(app)
    document_inference_routes(app)
    document_ocr_routes(app)
    return app
