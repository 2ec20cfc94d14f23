"""What one configuration amounts to, built as a whole and replaced as a whole."""

# interpreted: it makes dataclasses.

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from querylake_api.configuration.loading import Configuration
from querylake_api.configuration.reloading import Reloader
from querylake_api.health.service import Readiness
from querylake_api.http_server.cors import Cors
from querylake_api.inference.catalog import Catalog, Model
from querylake_api.inference.census import FieldCensus
from querylake_api.inference.dispatch import BalancingDispatcher
from querylake_api.inference.routes import inference_routes
from querylake_api.keys.authentication import Authenticator
from querylake_api.keys.limits import Limits
from querylake_api.keys.repository import KeyRepository
from querylake_api.keys.ring import KeyRing
from querylake_api.keys.service import KeyService
from querylake_api.limits.limiter import Limiter
from querylake_api.limits.table import LimitsTable
from querylake_api.observability.history import TrafficHistory
from querylake_api.observability.metrics import Metrics
from querylake_api.observability.observer import Observer
from querylake_api.ocr_client.places import covers
from querylake_api.ocr_client.routes import OcrRoutes
from querylake_api.ocr_client.service import open_ocr
from querylake_api.parity.bridging import over_bridges
from querylake_api.parity.pairing import Always, ObservingDispatcher
from querylake_api.parity.service import Parity
from querylake_api.persistence.database import Database
from querylake_api.process.components import Components
from querylake_api.requests.handling import Route
from querylake_api.requests.record import Journal
from querylake_api.rollouts.control.rollouts import Rollouts
from querylake_api.rollouts.routing.shadows import AlwaysCandidate, ShadowingDispatcher
from querylake_api.settings import RetrySettings
from querylake_api.upstreams.registry import open_upstreams
from querylake_api.usage.repository import UsageRepository
from querylake_api.workers.worker import Worker


@dataclass(frozen=True, slots=True)
class LastingComponents:
    """What a process keeps while configurations come and go.

    Attributes:
        started_at: Unix seconds.
    """

    database: Database
    ring: KeyRing
    limits: LimitsTable
    authenticator: Authenticator
    metrics: Metrics
    history: TrafficHistory
    observer: Observer
    census: FieldCensus
    journal: Journal
    rollouts: Rollouts
    parity: Parity
    worker: Worker
    started_at: int


@dataclass(slots=True)
class Generation:
    """Everything that follows from one configuration.

    A request belongs to the generation that was current when it came, until its end.

    Attributes:
        number: how many configurations this server has had, with this one.
        hot: the routes that carry the traffic, by path.
        ocr: serves what is below `/v1/ocr`.
        cors: which pages of other origins may call; None for none.
    """

    number: int
    configuration: Configuration
    components: Components
    hot: Mapping[str, Route]
    ocr: Route
    cors: Cors | None = None
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when no request belongs to it and none will."""
    _in_flight: int = 0
    _retired: bool = False

    def route_of(self, path: str) -> Route | None:
        """Return what serves a path ahead of FastAPI, if anything does."""
        return self.hot.get(path) or (self.ocr if covers(path) else None)

    def enter(self) -> None:
        """Count a request that has come."""
        self._in_flight += 1

    def leave(self) -> None:
        """Count a request as ended."""
        self._in_flight -= 1
        if self._retired and not self._in_flight:
            self.idle.set()

    def retire(self) -> None:
        """Take note that another generation gets what comes from now on."""
        self._retired = True
        if not self._in_flight:
            self.idle.set()


@asynccontextmanager
async def running_generation(
    number: int, configuration: Configuration, lasting: LastingComponents, reloader: Reloader
) -> AsyncIterator[Generation]:
    """Build a generation, give it, and close its connections to engines."""
    settings = configuration.settings
    async with AsyncExitStack() as stack:
        upstreams = await stack.enter_async_context(open_upstreams(configuration))
        ocr = await stack.enter_async_context(open_ocr(configuration.ocr))
        limiter = Limiter(lasting.limits, Limits(**settings.limits.model_dump()))
        catalog = Catalog(
            Model.configured(name, model, upstreams) for name, model in settings.models.items()
        )
        rollouts = lasting.rollouts
        dispatcher = BalancingDispatcher(
            catalog.models, rollouts.assignment, settings.retry, lasting.journal
        )
        shadowing = ShadowingDispatcher(
            dispatcher,
            BalancingDispatcher(catalog.models, AlwaysCandidate(), RetrySettings(max_attempts=1)),
            rollouts.assignment,
            rollouts.recorder,
        )
        stack.push_async_callback(shadowing.close)
        once = RetrySettings(max_attempts=1)
        bridges = {name: tuple(model.bridges) for name, model in settings.models.items()}
        stable, candidate = (
            over_bridges(
                BalancingDispatcher(catalog.models, Always(role), once),
                bridges,
                lasting.parity.count_copy,
            )
            for role in ("stable", "candidate")
        )
        observing = ObservingDispatcher(
            over_bridges(shadowing, bridges, lasting.parity.count_bridged),
            stable=stable,
            candidate=candidate,
            plans=rollouts.pairing,
            corpus=lasting.parity.corpus,
            repository=lasting.parity.repository,
            count=lasting.parity.count,
        )
        stack.push_async_callback(observing.close)
        lasting.parity.adopt(settings.parity)
        components = Components(
            generation=number,
            configuration=configuration,
            catalog=catalog,
            authenticator=lasting.authenticator,
            keys=KeyService(KeyRepository(lasting.database), settings.models, lasting.ring),
            upstreams=upstreams,
            dispatcher=dispatcher,
            readiness=Readiness(lasting.database, catalog, upstreams, ocr),
            metrics=lasting.metrics,
            history=lasting.history,
            usage=UsageRepository(lasting.database),
            observer=lasting.observer,
            rollouts=rollouts,
            parity=lasting.parity,
            worker=lasting.worker,
            reloader=reloader,
            started_at=lasting.started_at,
        )
        hot = inference_routes(
            authenticator=components.authenticator,
            catalog=catalog,
            limiter=limiter,
            dispatcher=observing,
            census=lasting.census,
            server=settings.server,
        )
        ocr_routes = OcrRoutes(
            ocr,
            authenticator=components.authenticator,
            limiter=limiter,
            max_body_bytes=settings.ocr.max_body_bytes if settings.ocr is not None else 0,
            body_seconds=settings.server.body_timeout_seconds,
            journal=lasting.journal,
        )
        origins = settings.server.cors_origins
        cors = Cors(origins) if origins else None
        yield Generation(number, configuration, components, hot, ocr_routes, cors)
