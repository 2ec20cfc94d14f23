"""Exporting traces to an OpenTelemetry collector, beside everything else and never in its way."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from querylake_api.observability.spans import spans_of
from querylake_api.requests.record import RequestRecord
from querylake_api.requests.trace_context import Trace, trace_of
from querylake_api.settings import TracingSettings
from querylake_version import VERSION

MAX_WAITING_SPANS = 16_384
"""Spans that wait for the collector; the SDK drops what comes beyond that, and logs it."""

EXPORT_SECONDS = 1.0
TIMEOUT_SECONDS = 5.0
"""For one batch, with the SDK's retries."""

_SILENT_ROUTES = frozenset({"/healthz", "/readyz", "/metrics"})


class Tracer:
    """Gives requests their traces, and exports those that are sampled; a `RecordSink`.

    Args:
        sample_ratio: the share of requests that are sampled if their callers have not decided it.
        processor: exports spans, on a thread of its own.
    """

    def __init__(self, resource: Resource, sample_ratio: float, processor: SpanProcessor) -> None:
        self._resource = resource
        self._sample_ratio = sample_ratio
        self._processor = processor

    def begin(self, headers: list[tuple[bytes, bytes]]) -> Trace:
        """Return the trace of a request that has just arrived."""
        return trace_of(headers, sample=random.random() < self._sample_ratio)

    def finished(self, record: RequestRecord) -> None:
        """Queue the spans of a request for export."""
        trace = record.identity.trace
        if trace is None or not trace.sampled or record.workload.route in _SILENT_ROUTES:
            return
        for span in spans_of(record, trace, self._resource):
            self._processor.on_end(span)


@asynccontextmanager
async def running_tracer(settings: TracingSettings) -> AsyncIterator[Tracer]:
    """Give a tracer that exports to the configured collector until the block ends."""
    exporter = OTLPSpanExporter(f"{settings.endpoint}/v1/traces", timeout=TIMEOUT_SECONDS)
    processor = BatchSpanProcessor(
        exporter,
        max_queue_size=MAX_WAITING_SPANS,
        schedule_delay_millis=EXPORT_SECONDS * 1000,
    )
    try:
        yield Tracer(_resource(settings.service_name), settings.sample_ratio, processor)
    finally:
        # Sends what waits, and blocks for as long as the collector takes to answer.
        await asyncio.to_thread(processor.shutdown)


def _resource(service: str) -> Resource:
    return Resource(
        {
            "service.name": service,
            "service.version": VERSION,
            "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
        }
    )
