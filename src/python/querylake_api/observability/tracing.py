"""Sending spans to a collector, beside everything else and never in its way."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from querylake_api.event_loop.background import in_background
from querylake_api.observability.spans import export_request
from querylake_api.requests.record import RequestRecord
from querylake_api.requests.trace_context import Trace, trace_of
from querylake_api.settings import TracingSettings

MAX_WAITING = 8192
"""Requests whose spans wait for the collector; of more, the oldest are dropped and counted."""

BATCH = 512
EXPORT_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
TIMEOUT_SECONDS = 5.0

_LATER = (429, 502, 503, 504)
"""Statuses after which the same spans may be sent again (OTLP, "Retryable Response Codes")."""

_SILENT_ROUTES = frozenset({"/healthz", "/readyz", "/metrics"})

_log = logging.getLogger(__name__)


class Tracer:
    """Gives requests their traces, and exports those that are sampled; a `RecordSink`."""

    def __init__(self, settings: TracingSettings, client: httpx.AsyncClient) -> None:
        self._url = f"{settings.endpoint}/v1/traces"
        self._service = settings.service_name
        self._ratio = settings.sample_ratio
        self._client = client
        self._waiting: deque[RequestRecord] = deque(maxlen=MAX_WAITING)
        self._dropped = 0

    def begin(self, headers: list[tuple[bytes, bytes]]) -> Trace:
        """Return the trace of a request that has just arrived."""
        return trace_of(headers, sample=random.random() < self._ratio)

    def finished(self, record: RequestRecord) -> None:
        """Keep a request for export."""
        if record.trace is None or not record.trace.sampled or record.route in _SILENT_ROUTES:
            return
        if len(self._waiting) == MAX_WAITING:
            self._dropped += 1
        self._waiting.append(record)

    async def run(self) -> None:
        """Export until cancelled."""
        pause = EXPORT_SECONDS
        while True:
            await asyncio.sleep(pause)
            pause = EXPORT_SECONDS if await self.export() else min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def export(self) -> bool:
        """Send what waits. Returns whether the collector takes it."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            body = await asyncio.to_thread(export_request, batch, self._service)
            fault = await self._send(body)
            if fault is not None:
                room = MAX_WAITING - len(self._waiting)
                self._dropped += max(0, len(batch) - room)
                self._waiting.extendleft(reversed(batch[-room:] if room else []))
                _log.warning("spans of %d requests wait: %s", len(self._waiting), fault)
                return False
        if self._dropped:
            _log.warning("spans of %d requests were dropped", self._dropped)
            self._dropped = 0
        return True

    async def _send(self, body: bytes) -> str | None:
        """Send once, and return why that should be tried again, if it should."""
        try:
            answer = await self._client.post(
                self._url, content=body, headers={"content-type": "application/json"}
            )
        except httpx.HTTPError as error:
            return f"{self._url}: {str(error) or type(error).__name__}"
        if answer.status_code in _LATER:
            return f"{self._url} answers {answer.status_code}"
        if not answer.is_success:
            _log.error("%s refuses spans with status %d", self._url, answer.status_code)
        return None


@asynccontextmanager
async def running_tracer(settings: TracingSettings) -> AsyncIterator[Tracer | None]:
    """Give a tracer that exports until the block ends; None if no collector is configured."""
    if settings.endpoint is None:
        yield None
        return
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
        tracer = Tracer(settings, client)
        try:
            async with in_background({"the export of traces": tracer.run}):
                yield tracer
        finally:
            await tracer.export()
