"""From which duration on a request is slow: the stable stack's p95 in its stratum, up to then.

It is the same number for both arms of a block and owes nothing to the outcomes that it judges. It
is looked up again only when there is clearly more to look at, since that takes time.
"""

from __future__ import annotations

from collections.abc import Mapping

from rollout_statistics.running_quantile import RunningQuantile

QUANTILE = 0.95
ENOUGH = 40
"""Durations of the stable stack that a stratum needs before "slow" means anything. A line that few
have set is rough, which costs power and no false alarms: it is the same for both arms."""

GROWTH = 1.05
"""A line holds until there are so many times as many durations."""

HALF_LIFE = 20_000
"""Durations after which the older half counts half: engines of a weekday night are others than by
day, and the line must follow, or it means nothing."""


class SlowLine:
    """The durations of one arm, stratum and signal, and the line that they set."""

    def __init__(self, buckets: Mapping[int, int] | None = None) -> None:
        self.durations = RunningQuantile(buckets)
        self._line: int | None = None
        self._next = 0.0

    def add(self, bucket: int, count: int) -> None:
        """Count durations of a bucket."""
        self.durations.add(bucket, count)
        if self.durations.total >= 2 * HALF_LIFE:
            halves = {each: -(-n // 2) for each, n in self.durations.buckets.items()}
            self.durations = RunningQuantile(halves)
            self._next = 0.0

    def line(self) -> int | None:
        """Return the bucket beyond which a duration is slow; None while too little is known."""
        total = self.durations.total
        if total < ENOUGH:
            return None
        if total >= self._next:
            self._line = self.durations.bucket_at(QUANTILE)
            self._next = GROWTH * total
        return self._line
