"""Looking at an engine again and again, as long as the application runs."""

from __future__ import annotations

import asyncio
import logging
import time

from llm_provider.engine_metrics import EngineMetrics
from llm_provider.errors import ProviderError
from llm_provider.provider import Health
from querylake_api.upstreams.facts import ROUTABLE
from querylake_api.upstreams.judge import Look
from querylake_api.upstreams.pace import Pace
from querylake_api.upstreams.runtime_status import RuntimeClient, RuntimeStatus
from querylake_api.upstreams.upstream import Upstream

RECONSIDER_SECONDS = 0.5
MIN_PAUSE_SECONDS = 0.05
"""Between two looks, even if the first one took longer than its interval."""

_log = logging.getLogger(__name__)


class Monitor:
    """Watches one engine.

    Args:
        runtime: its supervisor; None if it has none.
        pace: of looks at an engine that is well; at another, they are four times as frequent.
    """

    def __init__(self, upstream: Upstream, runtime: RuntimeClient | None, pace: Pace) -> None:
        self.upstream = upstream
        self._runtime = runtime
        self._pace = pace
        self.looked = asyncio.Event()
        """Set once the first look is over."""

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            while True:
                began = time.monotonic()
                try:
                    await self.look()
                except Exception:  # noqa: BLE001 - whatever one look meets, the next must come
                    _log.exception("upstream %s could not be looked at", self.upstream.name)
                self.looked.set()
                await self._pause(began)
        finally:
            if self._runtime is not None:
                await self._runtime.close()

    async def _pause(self, began: float) -> None:
        """Wait until the next look is due, which may become urgent meanwhile."""
        while (left := began + self._interval() - time.monotonic()) > 0:
            await asyncio.sleep(min(left, RECONSIDER_SECONDS))
        await asyncio.sleep(MIN_PAUSE_SECONDS)

    def _interval(self) -> float:
        usual = self._pace.interval / (1 if self.upstream.settled else 4)
        urgent = self.upstream.pace
        return usual if urgent is None else min(usual, urgent.interval)

    @property
    def _timeout(self) -> float:
        urgent = self.upstream.pace
        return self._pace.timeout if urgent is None else min(self._pace.timeout, urgent.timeout)

    async def look(self) -> None:
        """Look once, and tell the log if anything has changed."""
        upstream = self.upstream
        upstream.looks.begin(time.monotonic())
        health, metrics, runtime = await asyncio.gather(
            self._health(), self._metrics(), self._status()
        )
        look = Look(health, metrics, runtime, upstream.answered, upstream.unanswered)
        upstream.looks.end(time.monotonic(), answered=health is not None)
        if upstream.consider(look, time.monotonic()):
            level = logging.INFO if upstream.condition in ROUTABLE else logging.WARNING
            _log.log(
                level, "upstream %s is %s: %s", upstream.name, upstream.condition, upstream.detail
            )

    async def _health(self) -> Health | None:
        try:
            async with asyncio.timeout(self._timeout):
                return await self.upstream.provider.health()
        except TimeoutError:
            return None

    async def _metrics(self) -> EngineMetrics | None:
        try:
            async with asyncio.timeout(self._timeout):
                return await self.upstream.provider.metrics()
        except (TimeoutError, ProviderError):
            return None

    async def _status(self) -> RuntimeStatus | None:
        if self._runtime is None:
            return None
        try:
            async with asyncio.timeout(self._timeout):
                return await self._runtime.status()
        except TimeoutError:
            return None
