"""Asking everything that requests depend on whether it answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel

from llm_provider.provider import LLMProvider
from querylake_api.inference.catalog import Catalog
from querylake_api.persistence.database import Database
from querylake_api.persistence.errors import DatabaseUnavailable

PROBE_SECONDS = 2.0
"""How long a dependency may take before it counts as down."""

CACHE_SECONDS = 1.0
"""How long an answer is good for: anyone may ask, and engines must not pay for it."""

Status = Literal["ready", "degraded", "unavailable"]


class DependencyState(BaseModel):
    """What is known of one dependency."""

    state: Literal["up", "down"]
    detail: str


class ReadinessReport(BaseModel):
    """Whether requests can be served, and what each dependency says.

    Attributes:
        status: `ready`: all is well. `degraded`: something is down, and requests are served all the
            same. `unavailable`: no model has an engine that answers.
    """

    status: Status
    database: DependencyState
    upstreams: dict[str, DependencyState]


class Readiness:
    """Probes dependencies on demand, all at once, and remembers the answer for a moment."""

    def __init__(
        self, database: Database, catalog: Catalog, providers: Mapping[str, LLMProvider]
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._providers = providers
        self._report: ReadinessReport | None = None
        self._probed_at = float("-inf")
        self._lock = asyncio.Lock()

    async def report(self) -> ReadinessReport:
        """Return the state of everything, at most `CACHE_SECONDS` old."""
        async with self._lock:
            if self._report is None or time.monotonic() - self._probed_at > CACHE_SECONDS:
                self._report = await self._probe()
                self._probed_at = time.monotonic()
            return self._report

    async def _probe(self) -> ReadinessReport:
        database, *engines = await asyncio.gather(
            self._probe_database(),
            *(self._probe_upstream(provider) for provider in self._providers.values()),
        )
        upstreams = dict(zip(self._providers, engines, strict=True))
        return ReadinessReport(
            status=self._status(database, upstreams), database=database, upstreams=upstreams
        )

    def _status(
        self, database: DependencyState, upstreams: Mapping[str, DependencyState]
    ) -> Status:
        """Return the verdict. A missing database alone takes nothing from callers."""
        served = [
            model
            for model in self._catalog.models
            if any(upstreams[target.upstream].state == "up" for target in model.stable)
        ]
        if self._catalog.models and not served:
            return "unavailable"
        everything = [database, *upstreams.values()]
        return "ready" if all(each.state == "up" for each in everything) else "degraded"

    async def _probe_database(self) -> DependencyState:
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await self._database.ping()
        except TimeoutError:
            return DependencyState(state="down", detail=f"no answer within {PROBE_SECONDS:g} s")
        except DatabaseUnavailable as error:
            return DependencyState(state="down", detail=error.reason)
        return DependencyState(state="up", detail="answers")

    async def _probe_upstream(self, provider: LLMProvider) -> DependencyState:
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                health = await provider.health()
        except TimeoutError:
            return DependencyState(state="down", detail=f"no answer within {PROBE_SECONDS:g} s")
        return DependencyState(state="up" if health.ok else "down", detail=health.detail)
