"""Asking everything that requests depend on whether it answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel

from llm_provider.breaker import BreakerState
from querylake_api.health.probe import DependencyState, Probe
from querylake_api.inference.catalog import Catalog
from querylake_api.ocr_client.service import OcrService
from querylake_api.persistence.database import Database
from querylake_api.persistence.errors import DatabaseUnavailable
from querylake_api.upstreams.facts import Condition, UpstreamFacts
from querylake_api.upstreams.registry import Upstreams

CACHE_SECONDS = 1.0
"""How long an answer is good for: anyone may ask, and the database must not pay for it."""

Status = Literal["ready", "degraded", "unavailable"]


class UpstreamState(BaseModel):
    """What is known of one engine."""

    state: Condition
    detail: str
    in_rotation: bool
    breaker: BreakerState


class ReadinessReport(BaseModel):
    """Whether requests can be served, and what each dependency says.

    Attributes:
        ocr: the OCR service; left out if there is none.
        status: `ready`: all is well. `degraded`: something is not, and requests are served all the
            same. `unavailable`: no model has an engine that may be sent requests.
    """

    status: Status
    database: DependencyState
    upstreams: dict[str, UpstreamState]
    ocr: DependencyState | None = None


class Readiness:
    """Asks the database, and those who watch the engines, and remembers the answer for a moment."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        upstreams: Upstreams,
        ocr: OcrService | None,
    ) -> None:
        self._database = Probe(lambda: _trouble_of(database))
        self._catalog = catalog
        self._upstreams = upstreams
        self._ocr = None if ocr is None else Probe(ocr.health)
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
        database, ocr = await asyncio.gather(self._database.state(), self._probe_ocr())
        upstreams = {facts.name: facts for facts in self._upstreams.facts()}
        return ReadinessReport(
            status=self._status(database, upstreams, ocr),
            database=database,
            upstreams={
                name: UpstreamState(
                    state=facts.condition,
                    detail=facts.detail,
                    in_rotation=facts.in_rotation,
                    breaker=facts.breaker,
                )
                for name, facts in upstreams.items()
            },
            ocr=ocr,
        )

    def _status(
        self,
        database: DependencyState,
        upstreams: Mapping[str, UpstreamFacts],
        ocr: DependencyState | None,
    ) -> Status:
        """Return the verdict. A missing database alone takes nothing from callers."""
        served = [
            model
            for model in self._catalog.models
            if any(_serves(upstreams[target.upstream]) for target in model.stable)
        ]
        if self._catalog.models and not served:
            return "unavailable"
        well = (
            database.state == "up"
            and all(_serves(facts) and not facts.unfit for facts in upstreams.values())
            and (ocr is None or ocr.state == "up")
        )
        return "ready" if well else "degraded"

    async def _probe_ocr(self) -> DependencyState | None:
        return None if self._ocr is None else await self._ocr.state()


async def _trouble_of(database: Database) -> str | None:
    try:
        await database.ping()
    except DatabaseUnavailable as error:
        return error.reason
    return None


def _serves(facts: UpstreamFacts) -> bool:
    return facts.in_rotation and facts.breaker != "open"
