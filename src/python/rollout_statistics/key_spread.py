"""How far the events follow from who asks rather than from who answers.

Keys are what is assigned to an arm, so the keys and not the requests are the independent units: one
customer whose every request fails makes a sound stack look broken. Two measures guard against that.

*Dispersion*: the variance of the two rates' difference, computed from the totals of the keys and
divided by what it were if requests were independent, as cluster-robust variances do (Liang & Zeger,
"Longitudinal data analysis using generalized linear models", Biometrika 73, 1986). Evidence is
divided by it, as quasi-likelihoods are (Wedderburn, Biometrika 61, 1974). Where the canary has too
few keys to tell, the control's correlation within keys stands in.

*Breadth*: if the share `p` of keys is drawn by lot, then the worst `r` keys are all in the canary
with probability `p ** r`. The verdict must stand without as many keys as luck can put there.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Iterable
from typing import NamedTuple

from rollout_statistics.counts import Counts


class KeySums(NamedTuple):
    """What the spread of one arm's keys follows from: sums over their totals.

    Attributes:
        keys: how many there are.
        trials_squared: the sum of the squares of each key's requests.
        events_squared: likewise of its events.
        products: the sum of each key's requests times its events.
    """

    keys: int
    trials: float
    events: float
    trials_squared: float
    events_squared: float
    products: float

    @classmethod
    def of(cls, totals: Iterable[Counts]) -> KeySums:
        """Return the sums over the totals of each key."""
        keys = trials = events = trials_squared = events_squared = products = 0
        for key in totals:
            keys += 1
            trials += key.trials
            events += key.events
            trials_squared += key.trials * key.trials
            events_squared += key.events * key.events
            products += key.trials * key.events
        return cls(keys, trials, events, trials_squared, events_squared, products)

    @property
    def rate(self) -> float:
        """Events per request; 0 without requests."""
        return self.events / self.trials if self.trials else 0.0


def dispersion(control: KeySums, canary: KeySums) -> float:
    """Return by how much the difference of the arms varies more than for independent requests.

    Args:
        control: of the keys that have been in the control.
        canary: likewise.

    Returns:
        1 at least.
    """
    first, second = _Arm(control), _Arm(canary)
    weight = first.variance + second.variance
    if not weight:
        return 1.0
    borrowed = 1 + (second.cluster_size - 1) * first.correlation
    inflation = max(second.inflation, borrowed)
    return (first.inflation * first.variance + inflation * second.variance) / weight


def rate_dispersion(sums: KeySums) -> float:
    """Return by how much one arm's rate varies more, from draw to draw of its keys.

    Few keys say little about how they differ, so with few of them it is larger than the estimate:
    as much as the quantile of Student's t is larger than the normal one (t^2 is about
    z^2 * (1 + 4 / degrees of freedom) at 95%).
    """
    arm = _Arm(sums)
    if arm.inflation <= 1.0:
        return 1.0
    degrees = max(1.0, sums.trials / arm.cluster_size - 1)
    return arm.inflation * (1 + 4 / degrees)


class _Arm:
    """One arm's spread.

    Attributes:
        variance: of the rate, if requests were independent.
        inflation: what to multiply that with.
        cluster_size: the mean, over requests, of how many requests their key has made.
        correlation: of two requests of one key.
    """

    def __init__(self, sums: KeySums) -> None:
        trials = sums.trials
        rate = sums.rate
        single = rate * (1 - rate)
        self.variance = single / trials if trials else 0.0
        self.cluster_size = sums.trials_squared / max(1, trials)
        self.inflation = 1.0
        self.correlation = 0.0
        if single and sums.keys > 1:
            # The sum of each key's squared distance from what the arm's rate would give it.
            residuals = sums.events_squared - 2 * rate * sums.products
            residuals += rate * rate * sums.trials_squared
            # Degrees of freedom, by how many equally busy keys these are worth.
            worth = trials / self.cluster_size
            correction = worth / max(1e-3, worth - 1)
            self.inflation = max(1.0, correction * residuals / (trials * single))
            excess = (self.inflation - 1) / max(1.0, self.cluster_size - 1)
            self.correlation = min(1.0, excess)


def lucky_keys(share: float, *, log_alpha: float) -> int:
    """Return the largest number of worst keys that may all be in the canary by luck.

    Args:
        share: of the keys that the canary has been given, between 0 and 1.
        log_alpha: luck whose probability has a smaller logarithm does not count.
    """
    if not 0 < share < 1:
        raise ValueError(f"a share of {share} leaves nothing to compare")
    return math.ceil(log_alpha / math.log(share)) - 1


def stands_without_worst(rate: float, canary: Collection[Counts], worst: int) -> bool:
    """Return whether the canary is worse than the control even without its `worst` worst keys.

    Args:
        rate: the control's.
    """
    excesses = [key.events - key.trials * rate for key in canary]
    return math.fsum(excesses) > math.fsum(heapq.nlargest(worst, excesses))
