"""The pauses between the pieces of a stream, as a distribution of bounded size.

A DDSketch: buckets whose bounds grow by a constant factor, so that every quantile is known within a
constant relative error, whatever the distribution. Masson, Rim and Lee, "DDSketch: A fast and fully
mergeable quantile sketch with relative-error guarantees", PVLDB 12(12), 2019, section 2.
"""

# compiled: runs for each request.

from __future__ import annotations

import math
from typing import Final

RELATIVE_ERROR: Final = 0.05
"""Of any quantile. It takes at most 157 buckets; a stream at a steady pace fills a handful."""

SHORTEST: Final = 1e-4
LONGEST: Final = 600.0
"""Seconds; what lies outside counts as this long."""

_GROWTH: Final = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_PER_BUCKET: Final = 1 / math.log(_GROWTH)


class Gaps:
    """The lengths of pauses, in seconds.

    Attributes:
        count: how many there were.
        total: their sum.
    """

    __slots__ = ("_buckets", "count", "total")

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self.count = 0
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count one pause."""
        self.count += 1
        self.total += seconds
        bucket = _bucket(seconds)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1

    def quantile(self, fraction: float) -> float | None:
        """Return the length that a fraction of the pauses does not exceed; None if there are none.

        Args:
            fraction: above 0, up to 1.
        """
        rank = math.ceil(fraction * self.count)
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= rank:
                return _middle(bucket)
        return None

    def counts(self) -> list[tuple[float, int]]:
        """Return how often each length occurred, shortest first, lengths within the error."""
        return [(_middle(bucket), count) for bucket, count in sorted(self._buckets.items())]


def _bucket(seconds: float) -> int:
    bounded = SHORTEST if seconds < SHORTEST else min(seconds, LONGEST)
    return math.ceil(math.log(bounded) * _PER_BUCKET)


_FIRST: Final = _bucket(SHORTEST)
_MIDDLES: Final = [
    2 * _GROWTH**bucket / (_GROWTH + 1) for bucket in range(_FIRST, _bucket(LONGEST) + 1)
]


def _middle(bucket: int) -> float:
    """Return the length that is within the error of every length in a bucket."""
    return _MIDDLES[bucket - _FIRST]
