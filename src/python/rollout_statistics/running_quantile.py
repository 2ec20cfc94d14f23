"""A quantile of durations, from counts in buckets that grow by a constant factor.

The threshold for "slow" is the control's p95 as of the blocks before: it is then the same number
for both arms of a block, and owes nothing to the outcomes that it judges.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

GROWTH = 1.02
"""Each bucket's upper edge over its lower one: quantiles are right to 2%."""

_LOG_GROWTH = math.log(GROWTH)


def bucket_of(seconds: float) -> int:
    """Return the bucket of a duration; everything up to a microsecond is in the lowest."""
    return math.ceil(math.log(max(seconds, 1e-6)) / _LOG_GROWTH)


def buckets_in(ratio: float) -> int:
    """Return how many buckets further on what takes `ratio` times as long is."""
    return round(math.log(ratio) / _LOG_GROWTH)


def upper_edge(bucket: int) -> float:
    """Return the longest duration, in seconds, of a bucket."""
    return GROWTH**bucket


class RunningQuantile:
    """Durations, by bucket."""

    def __init__(self, buckets: Mapping[int, int] | None = None) -> None:
        self.buckets = Counter(buckets or {})
        self.total = self.buckets.total()

    def add(self, bucket: int, count: int = 1) -> None:
        """Count durations of a bucket."""
        self.buckets[bucket] += count
        self.total += count

    def bucket_at(self, quantile: float) -> int | None:
        """Return the bucket in which a quantile lies, None without data."""
        left = quantile * self.total
        for bucket in sorted(self.buckets):
            left -= self.buckets[bucket]
            if left <= 1e-9:
                return bucket
        return None
