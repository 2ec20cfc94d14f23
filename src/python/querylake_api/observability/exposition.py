"""Prometheus' text format, from the numbers of all processes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from querylake_api.observability.families import Counter, Gauge, Histogram
from querylake_api.observability.snapshot import Snapshot


class Exposition(Collector):
    """A registry with one collector, itself."""

    def __init__(
        self,
        snapshot: Snapshot,
        counters: Iterable[Counter],
        histograms: Iterable[Histogram],
        gauges: Iterable[Gauge],
    ) -> None:
        self._snapshot = snapshot
        self._counters = counters
        self._histograms = histograms
        self._gauges = gauges

    def text(self) -> bytes:
        """Return every metric."""
        return generate_latest(self)

    def collect(self) -> Iterator[Metric]:
        """Yield every family, also one that has no value yet."""
        for counter in self._counters:
            if not counter.exposed:
                continue
            counted = CounterMetricFamily(counter.name, counter.help, labels=counter.labels)
            for labels, value in self._snapshot.counters.get(counter.name, {}).items():
                counted.add_metric(labels, value)
            yield counted
        for histogram in self._histograms:
            spread = HistogramMetricFamily(histogram.name, histogram.help, labels=histogram.labels)
            for labels, cell in self._snapshot.histograms.get(histogram.name, {}).items():
                spread.add_metric(labels, _cumulative(histogram.bounds, cell), cell[-1])
            yield spread
        for gauge in self._gauges:
            read = GaugeMetricFamily(gauge.name, gauge.help, labels=gauge.labels)
            for labels, value in self._snapshot.gauges.get(gauge.name, {}).items():
                read.add_metric(labels, value)
            yield read


def _cumulative(bounds: Sequence[float], cell: Sequence[float]) -> list[tuple[str, float]]:
    buckets: list[tuple[str, float]] = []
    total = 0.0
    for bound, count in zip(bounds, cell, strict=False):
        total += count
        buckets.append(("+Inf" if bound == math.inf else str(float(bound)), total))
    return buckets
