"""What Prometheus is told. Labels are of configuration and route templates, never of callers."""

# compiled: runs for each request.

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Final

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from querylake_api.observability.exposition import Exposition
from querylake_api.observability.families import (
    Counter,
    Gauge,
    Histogram,
    Labels,
    Merge,
    Reading,
)
from querylake_api.observability.snapshot import Snapshot, read_snapshot
from querylake_api.requests.record import RequestRecord
from querylake_version import VERSION

WRITE_SECONDS: Final = 1.0
"""How old the numbers of the other workers may be, and what a killed one loses of its own."""

_DURATION_BUCKETS: Final = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_TTFT_BUCKETS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 3, 5, 10, 30, 60)
_DELAY_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_GAP_BUCKETS: Final = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 10, 60)
_PLACE: Final = ("route", "model", "upstream", "stack")

_log = logging.getLogger(__name__)


class Metrics:
    """The metrics of this process, and of all processes of the machine; a `RecordSink`.

    Args:
        folder: where the processes of the machine leave their numbers.
        index: which of them this is.
    """

    content_type: ClassVar[str] = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self, folder: Path, index: int) -> None:
        self._folder = folder
        self._index = index
        self._counters: list[Counter] = []
        self._histograms: list[Histogram] = []
        self._gauges: list[Gauge] = []
        self._requests = self.counter(
            "querylake_requests", "Finished requests.", *_PLACE, "outcome"
        )
        self._attempts = self.counter(
            "querylake_attempts",
            "Attempts: requests sent to engines, retries included.",
            "model",
            "stack",
        )
        self._prompt_tokens = self.counter(
            "querylake_prompt_tokens", "Prompt tokens, as the engines report them.", *_PLACE
        )
        self._completion_tokens = self.counter(
            "querylake_completion_tokens", "Generated tokens, as the engines report them.", *_PLACE
        )
        self.usage_written = self.counter(
            "querylake_usage_records_written", "Usage records written to the database."
        )
        self.usage_refused = self.counter(
            "querylake_usage_records_lost",
            "Usage records that no disk had room for.",
        )
        self.request_fields = self.counter(
            "querylake_request_fields",
            "Top-level fields that requests have sent, by name.",
            *("route", "model", "field"),
            exposed=False,
        )
        self._duration = self._histogram(
            "querylake_request_duration_seconds",
            "Time from the request's head to the response's last byte.",
            _DURATION_BUCKETS,
            *_PLACE,
        )
        self._first_token = self._histogram(
            "querylake_time_to_first_token_seconds",
            "Time from the request's head to the first content of a streamed response.",
            _TTFT_BUCKETS,
            *_PLACE,
        )
        self._gap = self._histogram(
            "querylake_inter_token_seconds",
            "Time between two chunks of a stream that have content, within 5%.",
            _GAP_BUCKETS,
            *_PLACE,
        )
        self._queued = self._histogram(
            "querylake_queue_seconds",
            "Time in the queue of a model, for requests that had to wait.",
            _DURATION_BUCKETS,
            *_PLACE,
        )
        self.loop_delay = self._histogram(
            "querylake_event_loop_delay_seconds",
            "How late a timer of each worker's event loop ran, ten times a second.",
            _DELAY_BUCKETS,
        )
        self.gauge(
            "querylake_build_info",
            "Always 1; the label is the version.",
            lambda: [((VERSION,), 1)],
            "version",
            merge="max",
        )
        self.gauge(
            "querylake_worker_resident_bytes",
            "Resident memory of each worker process.",
            self._memory,
            "worker",
        )
        self.gauge(
            "querylake_worker_cpu_seconds",
            "CPU time of each worker process.",
            self._cpu,
            "worker",
        )

    def counter(self, name: str, help: str, *labels: str, exposed: bool = True) -> Counter:
        """Add a counter. Its name goes without `_total`, which the exposition adds."""
        family = Counter(name, help, labels, exposed=exposed)
        self._counters.append(family)
        return family

    def gauge(
        self,
        name: str,
        help: str,
        read: Callable[[], Reading],
        *labels: str,
        merge: Merge = "sum",
    ) -> None:
        """Add a gauge, which is read for each exposition, and every second for other workers'."""
        self._gauges.append(Gauge(name, help, read, labels, merge))

    def finished(self, record: RequestRecord) -> None:
        """Count one finished request."""
        place = (
            record.workload.route,
            record.workload.model,
            record.engines.upstream,
            record.engines.stack,
        )
        self._requests.add((*place, record.ending.outcome))
        self._duration.observe(place, record.timing.duration)
        if record.engines.count:
            self._attempts.add((record.workload.model, record.engines.stack), record.engines.count)
        if record.content.prompt_tokens is not None:
            self._prompt_tokens.add(place, record.content.prompt_tokens)
        if record.content.completion_tokens is not None:
            self._completion_tokens.add(place, record.content.completion_tokens)
        if record.engines.queued_seconds > 0:
            self._queued.observe(place, record.engines.queued_seconds)
        first_token = record.timing.first_token
        if first_token is not None:
            self._first_token.observe(place, first_token)
        if record.timing.gaps is not None:
            for seconds, count in record.timing.gaps.counts():
                self._gap.observe(place, seconds, count)

    async def exposition(self) -> bytes:
        """Return the metrics of all processes in Prometheus' text format."""
        mine = self._snapshot()
        return await asyncio.to_thread(self._text, mine)

    async def totals(self, counter: Counter) -> dict[Labels, float]:
        """Return what all processes of the machine have counted."""
        return (await self.merged()).counters.get(counter.name, {})

    async def merged(self) -> Snapshot:
        """Return the numbers of all processes of the machine."""
        return await asyncio.to_thread(self._merged, self._snapshot())

    @property
    def first_token_bounds(self) -> tuple[float, ...]:
        """The upper bounds of the buckets for times to the first token, in seconds."""
        return self._first_token.bounds

    async def follow(self) -> None:
        """Leave the numbers for the others, every second, until cancelled."""
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            await self.leave()

    async def leave(self, *, ending: bool = False) -> None:
        """Leave the numbers for the others, without gauges if this process is about to end."""
        mine = self._snapshot()
        if ending:
            mine.gauges = {}
        try:
            await asyncio.to_thread(mine.write, self._file)
        except OSError as error:
            _log.error("%s cannot be written: %s", self._file, os.strerror(error.errno or 0))

    @property
    def _file(self) -> Path:
        return self._folder / f"{self._index}.json"

    def _histogram(
        self, name: str, help: str, bounds: tuple[float, ...], *labels: str
    ) -> Histogram:
        family = Histogram(name, help, labels, bounds)
        self._histograms.append(family)
        return family

    def _snapshot(self) -> Snapshot:
        return Snapshot.of(self._counters, self._histograms, self._gauges)

    def _sizes(self) -> dict[str, int]:
        return {family.name: len(family.bounds) + 1 for family in self._histograms}

    def _text(self, mine: Snapshot) -> bytes:
        merged = self._merged(mine)
        return Exposition(merged, self._counters, self._histograms, self._gauges).text()

    def _merged(self, mine: Snapshot) -> Snapshot:
        """Add the numbers of the machine's other processes."""
        merges: dict[str, Merge] = {gauge.name: gauge.merge for gauge in self._gauges}
        sizes = self._sizes()
        for path in self._folder.glob("*.json"):
            if path != self._file:
                mine.add(read_snapshot(path, sizes), merges)
        return mine

    def go_on(self) -> None:
        """Take over what the last process with this number has counted."""
        before = read_snapshot(self._file, self._sizes())
        for counter in self._counters:
            counter.values.update(before.counters.get(counter.name, {}))
        for histogram in self._histograms:
            histogram.values.update(before.histograms.get(histogram.name, {}))

    def _memory(self) -> Iterator[tuple[tuple[str], float]]:
        with suppress(OSError):  # there is no such file but on Linux
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            yield (str(self._index),), pages * os.sysconf("SC_PAGE_SIZE")

    def _cpu(self) -> Iterator[tuple[tuple[str], float]]:
        times = os.times()
        yield (str(self._index),), times.user + times.system
