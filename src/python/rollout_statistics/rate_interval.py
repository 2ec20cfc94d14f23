"""An interval for one rate that holds at all times at once: for showing, and for reading.

The beta-binomial confidence sequence: all rates against which a uniform mixture of binomials has
not gathered evidence of 1/alpha. Robbins, "Statistical Methods Related to the Law of the Iterated
Logarithm" (Ann. Math. Statist. 41, 1970); Howard, Ramdas, McAuliffe & Sekhon, "Time-uniform,
nonparametric, nonasymptotic confidence sequences" (Ann. Statist. 49, 2021).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from rollout_statistics.counts import Counts

_STEPS = 60


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`, both included."""

    low: float
    high: float


def rate_interval(counts: Counts, alpha: float = 0.05, dispersion: float = 1.0) -> Interval:
    """Return the rates that the counts leave possible.

    Args:
        alpha: how often, over all looks together, the true rate may be outside.
        dispersion: how many times larger the variance is than that of independent requests, because
            keys or moments differ: so many times fewer requests are all that the counts are worth.
    """
    n, k = counts.trials / dispersion, counts.events / dispersion
    if not n:
        return Interval(0.0, 1.0)
    threshold = math.lgamma(k + 1) + math.lgamma(n - k + 1) - math.lgamma(n + 2) + math.log(alpha)

    def possible(rate: float) -> bool:
        return k * math.log(rate) + (n - k) * math.log1p(-rate) >= threshold

    best = min(max(k / n, 1e-12), 1 - 1e-12)
    low = 0.0 if k == 0 else _edge(possible, best, 0.0)
    high = 1.0 if k == n else _edge(possible, best, 1.0)
    return Interval(low, high)


def _edge(possible: Callable[[float], bool], inside: float, outside: float) -> float:
    for _ in range(_STEPS):
        middle = (inside + outside) / 2
        if possible(middle):
            inside = middle
        else:
            outside = middle
    return outside
