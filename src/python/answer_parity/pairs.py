"""The same request answered by both engines, again and again: sequential tests on pairs.

A pair says something only if its two answers differ in what is asked: one is empty and the other
is not, one finishes by `length` and the other by `stop`. Each test is a betting martingale
(Waudby-Smith & Ramdas, "Estimating means of bounded random variables by betting", JRSS B 86, 2024):
a gambler stakes a part of his capital on every pair, at odds that are fair if nothing is wrong. By
Ville's inequality his capital ever exceeds 1/alpha with a probability of alpha at most, so one may
look after every pair, and stop whenever one likes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

_STAKES = tuple(0.02 * 1.72**step for step in range(8))
"""Parts of the capital that are staked, between 0.02 and 0.89; the mean of all gamblers counts."""


@dataclass(slots=True)
class MeanTest:
    """Whether the mean of bounded differences is above a bound.

    Evidence only grows if the mean of what comes next, given all that came before, exceeds `bound`.

    Args:
        bound: the largest mean under the hypothesis that evidence speaks against.
        least: no difference is below it.
    """

    bound: float
    least: float = -1.0
    _logs: list[float] = field(default_factory=lambda: [0.0] * len(_STAKES))
    pairs: int = 0

    def add(self, difference: float) -> None:
        """Take one pair into account.

        Raises:
            ValueError: the difference is out of bounds.
        """
        if not self.least <= difference <= 1.0:
            raise ValueError(f"a difference of {difference} is not between {self.least} and 1")
        self.pairs += 1
        gain = difference - self.bound
        # The largest loss is `bound - least`; a stake below its inverse leaves some capital.
        scale = 1.0 / (self.bound - self.least)
        for index, stake in enumerate(_STAKES):
            self._logs[index] += math.log1p(stake * scale * gain)

    @property
    def log_e(self) -> float:
        """The logarithm of the evidence: of the capital, if it was 1 at the beginning."""
        largest = max(self._logs)
        mean = math.fsum(math.exp(each - largest) for each in self._logs) / len(self._logs)
        return largest + math.log(mean)


@dataclass(slots=True)
class PairedRates:
    """How much more often the new engine does something unwanted than the old one, on pairs.

    Args:
        margin: by how much more often it may, as a difference of rates.
    """

    margin: float
    both: int = 0
    only_old: int = 0
    only_new: int = 0
    neither: int = 0
    _worse: MeanTest = field(init=False)
    _equivalent: MeanTest = field(init=False)

    def __post_init__(self) -> None:
        self._worse = MeanTest(0.0)
        self._equivalent = MeanTest(-self.margin)

    def add(self, old: bool, new: bool) -> None:
        """Take one pair into account: whether each of its answers is unwanted."""
        if old and new:
            self.both += 1
        elif old:
            self.only_old += 1
        elif new:
            self.only_new += 1
        else:
            self.neither += 1
        difference = float(new) - float(old)
        self._worse.add(difference)
        self._equivalent.add(-difference)

    @property
    def pairs(self) -> int:
        """How many pairs there are."""
        return self._worse.pairs

    @property
    def log_worse(self) -> float:
        """Evidence that the new engine does it more often at all."""
        return self._worse.log_e

    @property
    def log_equivalent(self) -> float:
        """Evidence that it does not do it more often by the margin."""
        return self._equivalent.log_e


@dataclass(slots=True)
class DifferenceRates:
    """How much more often old and new differ than the old engine differs from itself.

    Some differences are noise: with sampling, or with sums in another order, an engine does not
    repeat itself either. Pairs of the old engine with itself say how often.

    Args:
        margin: by how much more often they may differ, as a difference of rates.
    """

    margin: float
    crossed: list[int] = field(default_factory=lambda: [0, 0])
    own: list[int] = field(default_factory=lambda: [0, 0])
    _waiting_crossed: list[bool] = field(default_factory=list)
    _waiting_own: list[bool] = field(default_factory=list)
    _rates: PairedRates = field(init=False)

    def __post_init__(self) -> None:
        self._rates = PairedRates(self.margin)

    def add(self, crossed: Iterable[bool] = (), own: Iterable[bool] = ()) -> None:
        """Take comparisons into account: whether the two answers of each differ.

        Each old-new comparison is matched with one of the old engine with itself, in the order in
        which they come; what has no partner yet waits.

        Args:
            crossed: of the old with the new engine.
            own: of the old engine with itself.
        """
        for differs in crossed:
            self.crossed[differs] += 1
            self._waiting_crossed.append(differs)
        for differs in own:
            self.own[differs] += 1
            self._waiting_own.append(differs)
        matched = min(len(self._waiting_crossed), len(self._waiting_own))
        for noise, difference in zip(
            self._waiting_own[:matched], self._waiting_crossed[:matched], strict=True
        ):
            self._rates.add(noise, difference)
        del self._waiting_crossed[:matched], self._waiting_own[:matched]

    @property
    def matched(self) -> int:
        """How many comparisons have found a partner."""
        return self._rates.pairs

    @property
    def log_different(self) -> float:
        """Evidence that the engines differ more often than the old one differs from itself."""
        return self._rates.log_worse

    @property
    def log_equivalent(self) -> float:
        """Evidence that they do not differ more often by the margin."""
        return self._rates.log_equivalent
