"""Requests, errors, latency and tokens of the last hours, by the minute, for the console.

Every worker makes the same history by itself: it reads the sums of all workers of the machine once
a minute and keeps the differences. A file lets a worker that starts go on where the others are.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path

import orjson

from querylake_api.observability.families import Labels
from querylake_api.observability.metrics import Metrics
from querylake_api.observability.snapshot import Snapshot

MAX_MINUTES = 180
"""How much is kept: three hours, some 20 KB."""

SHARE_MINUTES = 5
"""How far back the observed traffic shares look."""

MINUTE_SECONDS = 60

_FAILURES = frozenset({"upstream_error", "truncated", "in_band_error", "server_error"})
"""Outcomes that an engine or the server is to blame for."""

TargetKey = tuple[str, str, str]
"""Model, upstream, and stack."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Minute:
    """The traffic of one minute, or of the part of it that has passed.

    Attributes:
        start: Unix seconds.
        seconds: how much of it is counted.
        requests: finished ones that named a model.
        failures: those that an engine or the server is to blame for.
        rejected: those that the caller is to blame for (4xx).
        tokens: completion tokens, as engines count them.
        first_token_p50: seconds, of streams, estimated from the buckets of the histogram; None
            without streams.
        first_token_p95: likewise.
    """

    start: int
    seconds: float
    requests: int
    failures: int
    rejected: int
    tokens: int
    first_token_p50: float | None
    first_token_p95: float | None


COLUMNS = tuple(each.name for each in fields(Minute))


@dataclass(frozen=True, slots=True)
class Totals:
    """What has been counted since the counters began.

    Attributes:
        first_token: the count of each bucket.
        by_target: requests by target.
        lost_usage: usage records that no disk had room for.
    """

    requests: float = 0
    failures: float = 0
    rejected: float = 0
    tokens: float = 0
    first_token: tuple[float, ...] = ()
    by_target: Mapping[TargetKey, float] = field(default_factory=dict)
    lost_usage: float = 0

    @classmethod
    def of(cls, snapshot: Snapshot) -> Totals:
        """Return the sums of a snapshot, of requests that named a model."""
        outcomes: dict[str, float] = {}
        by_target: dict[TargetKey, float] = {}
        for labels, count in snapshot.counters.get("querylake_requests", {}).items():
            _, model, upstream, stack, outcome = labels
            if not model:
                continue
            outcomes[outcome] = outcomes.get(outcome, 0) + count
            if upstream:
                target = (model, upstream, stack)
                by_target[target] = by_target.get(target, 0) + count
        cells = snapshot.histograms.get("querylake_time_to_first_token_seconds", {})
        # The last number of a cell is the sum of what was observed.
        buckets = [cell[:-1] for cell in cells.values()]
        return cls(
            requests=sum(outcomes.values()),
            failures=sum(count for outcome, count in outcomes.items() if outcome in _FAILURES),
            rejected=outcomes.get("client_error", 0),
            tokens=_sum(snapshot.counters.get("querylake_completion_tokens", {})),
            first_token=tuple(sum(column) for column in zip(*buckets, strict=True)),
            by_target=by_target,
            lost_usage=_sum(snapshot.counters.get("querylake_usage_records_lost", {})),
        )


class TrafficHistory:
    """The last hours by the minute, and the minute that is under way.

    Args:
        folder: of the machine's workers, where the history survives a restart.
    """

    def __init__(self, metrics: Metrics, folder: Path) -> None:
        self._metrics = metrics
        self._file = folder / "traffic-history.json"
        self._bounds = metrics.first_token_bounds
        self._minutes: deque[Minute] = deque(_read(self._file), MAX_MINUTES)
        self._marks: deque[tuple[float, Totals]] = deque(maxlen=SHARE_MINUTES + 1)

    def minutes(self, since: int = 0) -> list[Minute]:
        """Return whole minutes, oldest first, from a moment in Unix seconds on."""
        return [minute for minute in self._minutes if minute.start >= since]

    async def now(self) -> tuple[Minute, Totals]:
        """Return the minute under way, and the sums of all workers."""
        totals = Totals.of(await self._metrics.merged())
        moment = time.time()
        if not self._marks:
            self._marks.append((moment, totals))
        began, before = self._marks[-1]
        return self._between(before, totals, began, moment), totals

    def recent_by_target(self, totals: Totals) -> dict[TargetKey, int]:
        """Return the requests of each target in the last minutes, up to these sums."""
        before = self._marks[0][1].by_target if self._marks else {}
        return {
            target: round(max(0.0, count - before.get(target, 0)))
            for target, count in totals.by_target.items()
        }

    async def follow(self) -> None:
        """Close a minute whenever the clock begins a new one, until cancelled."""
        await self.now()
        while True:
            await asyncio.sleep(MINUTE_SECONDS - time.time() % MINUTE_SECONDS)
            await self.close_minute()

    async def close_minute(self) -> None:
        """Keep the minute under way, and begin another."""
        minute, totals = await self.now()
        self._minutes.append(minute)
        self._marks.append((time.time(), totals))
        await asyncio.to_thread(_write, self._file, list(self._minutes))

    def _between(self, before: Totals, after: Totals, began: float, ended: float) -> Minute:
        buckets = _growth(before.first_token, after.first_token)
        return Minute(
            start=int(began) // MINUTE_SECONDS * MINUTE_SECONDS,
            seconds=round(max(ended - began, 0.001), 3),
            requests=_grown(before.requests, after.requests),
            failures=_grown(before.failures, after.failures),
            rejected=_grown(before.rejected, after.rejected),
            tokens=_grown(before.tokens, after.tokens),
            first_token_p50=quantile(self._bounds, buckets, 0.5),
            first_token_p95=quantile(self._bounds, buckets, 0.95),
        )


def quantile(bounds: Sequence[float], buckets: Sequence[float], share: float) -> float | None:
    """Return a quantile of a histogram, None of an empty one.

    Within a bucket, values are taken to be spread evenly, as PromQL's `histogram_quantile` does;
    beyond the last finite bound, that bound is returned.

    Args:
        bounds: upper bounds, growing; the last one is infinite.
        buckets: the count of each bucket by itself.
    """
    total = sum(buckets)
    if total <= 0:
        return None
    rank, below = share * total, 0.0
    for index, count in enumerate(buckets):
        if count and below + count >= rank:
            lower = bounds[index - 1] if index else 0.0
            upper = bounds[index]
            if math.isinf(upper):
                return lower
            return round(lower + (upper - lower) * (rank - below) / count, 4)
        below += count
    return None


def _sum(values: Mapping[Labels, float]) -> float:
    return sum(values.values())


def _grown(before: float, after: float) -> int:
    # Counters never fall, unless somebody has deleted the files that they go on from.
    return round(max(0.0, after - before))


def _growth(before: Sequence[float], after: Sequence[float]) -> list[float]:
    earlier = before or [0.0] * len(after)
    return [max(0.0, b - a) for a, b in zip(earlier, after, strict=False)]


def _read(file: Path) -> list[Minute]:
    """Return what is in the file; nothing if it cannot be read, as that costs only the past."""
    try:
        rows = orjson.loads(file.read_bytes())
        return [Minute(*row) for row in rows][-MAX_MINUTES:]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        _log.warning("%s cannot be read, so the history begins anew: %s", file, error)
        return []


def _write(file: Path, minutes: Sequence[Minute]) -> None:
    # Of one's own, since every worker writes it; then in place in one step.
    unfinished = file.with_suffix(f".{os.getpid()}.tmp")
    try:
        unfinished.write_bytes(orjson.dumps([astuple(minute) for minute in minutes]))
        unfinished.replace(file)
    except OSError as error:
        _log.error("%s cannot be written: %s", file, os.strerror(error.errno or 0))
