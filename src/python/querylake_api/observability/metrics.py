"""Prometheus metrics. Labels come from configuration and route templates, never from callers."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from querylake_api.observability.request_record import RequestRecord

# Each counter and histogram would come with another series that says when it was made.
disable_created_metrics()  # type: ignore[no-untyped-call]

_DURATION_BUCKETS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_TTFT_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 3, 5, 10, 30, 60)


class Metrics:
    """The metrics of one application, in a registry of their own."""

    content_type = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._requests = Counter(
            "querylake_requests",
            "Finished requests.",
            ("route", "model", "upstream", "stack", "outcome"),
            registry=self.registry,
        )
        self._duration = Histogram(
            "querylake_request_duration_seconds",
            "From the request's head to the answer's last byte.",
            ("route", "model", "upstream", "stack"),
            buckets=_DURATION_BUCKETS,
            registry=self.registry,
        )
        self._first_token = Histogram(
            "querylake_time_to_first_token_seconds",
            "From the request's head to the first content of a streamed answer.",
            ("route", "model", "upstream", "stack"),
            buckets=_TTFT_BUCKETS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "querylake_requests_in_flight",
            "Requests that have begun and not ended.",
            registry=self.registry,
        )
        # Finding a labelled child costs as much as counting on it: remember the few there are.
        self._counters: dict[tuple[str, ...], Counter] = {}
        self._durations: dict[tuple[str, ...], Histogram] = {}

    def finished(self, record: RequestRecord) -> None:
        """Count one finished request."""
        place = (record.route, record.model, record.upstream, record.stack)
        end = (*place, record.outcome or "server_error")
        counter = self._counters.get(end)
        if counter is None:
            counter = self._counters[end] = self._requests.labels(*end)
        counter.inc()
        durations = self._durations.get(place)
        if durations is None:
            durations = self._durations[place] = self._duration.labels(*place)
        durations.observe(record.duration)
        first_token = record.time_to_first_token
        if first_token is not None:
            self._first_token.labels(*place).observe(first_token)

    def exposition(self) -> bytes:
        """Return every metric in Prometheus' text format."""
        return generate_latest(self.registry)
