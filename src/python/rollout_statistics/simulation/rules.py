"""The rules that are compared: each sees a rollout second by second and says when it rolls back."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rollout_statistics.counts import Block, Counts
from rollout_statistics.excess import Excess
from rollout_statistics.fixed_threshold import FixedThreshold
from rollout_statistics.gaussian_mixture import GaussianMixtureTest
from rollout_statistics.half_plane import HalfPlaneTest
from rollout_statistics.key_spread import dispersion, lucky_keys, stands_without_worst
from rollout_statistics.odds_ratio import OddsRatioTest
from rollout_statistics.simulation.traffic import Run, Second

INTERVAL_SECONDS = 60
"""How often Argo and Flagger look, in their examples."""


class Rule(Protocol):
    """Decides for one rollout."""

    def rolls_back(self, second: Second) -> bool:
        """Take the next second into account and say whether this is the end."""
        ...


class SequentialTest(Protocol):
    """A test martingale."""

    def add(self, block: Block) -> None:
        """Take one block into account."""
        ...

    def log_e(self, dispersion: float = 1.0) -> float:
        """Return the logarithm of the e-value."""
        ...


@dataclass(frozen=True, slots=True)
class Guards:
    """What must hold besides the e-value.

    Attributes:
        relevance: the canary is worse by more than what is forgiven, see `excess`.
        spread: the e-value is enough also when divided by the dispersion, see `key_spread`.
        breadth: the verdict stands without the worst keys, likewise.
    """

    relevance: bool = False
    spread: bool = False
    breadth: bool = False


ALL_GUARDS = Guards(relevance=True, spread=True, breadth=True)


class Sequential:
    """An e-value against a threshold, with or without the guards of the product."""

    def __init__(self, test: SequentialTest, run: Run, alpha: float, guards: Guards) -> None:
        self._test = test
        self._run = run
        self._threshold = -math.log(alpha)
        self._worst = lucky_keys(run.traffic.share, alpha)
        self._guards = guards
        self._excess = Excess()

    def rolls_back(self, second: Second) -> bool:
        """Decide after a second in which the canary had an event; others only calm."""
        self._test.add(second.worse)
        self._excess.add(second.beyond)
        if not second.worse.canary.events or self._test.log_e() < self._threshold:
            return False
        return self._is_relevant() and self._is_spread() and self._is_broad()

    def _is_relevant(self) -> bool:
        return not self._guards.relevance or self._excess.events > 0

    def _is_spread(self) -> bool:
        if not self._guards.spread:
            return True
        spread = dispersion(self._run.control.sums(), self._run.canary.sums())
        return self._test.log_e(spread) >= self._threshold

    def _is_broad(self) -> bool:
        if not self._guards.breadth:
            return True
        rate = self._run.control.sums().rate
        return stands_without_worst(rate, self._run.canary.keys(), self._worst)


class Threshold:
    """The fixed threshold of Argo and Flagger, once a minute."""

    def __init__(self, rate: float, allowed: int) -> None:
        self._rule = FixedThreshold(rate, allowed)
        self._seconds = 0
        self._window = Counts()

    def rolls_back(self, second: Second) -> bool:
        """Look at the end of each minute."""
        self._window += second.worse.canary
        self._seconds += 1
        if self._seconds % INTERVAL_SECONDS:
            return False
        window, self._window = self._window, Counts()
        return self._rule.check(window)


MakeRule = Callable[[Run, float], Rule]
"""From a run and alpha to a rule."""


def rules(*, limit: float) -> dict[str, MakeRule]:
    """Return every rule by its name.

    Args:
        limit: the fixed threshold that an operator would have set.
    """

    def sequential(make: Callable[[], SequentialTest], guards: Guards) -> MakeRule:
        return lambda run, alpha: Sequential(make(), run, alpha, guards)

    def half_plane() -> SequentialTest:
        return HalfPlaneTest("worse", 0.0)

    return {
        "odds ratio, guarded": sequential(OddsRatioTest, ALL_GUARDS),
        "odds ratio, dispersion only": sequential(OddsRatioTest, Guards(spread=True)),
        "odds ratio": sequential(OddsRatioTest, Guards()),
        "half-plane, guarded": sequential(half_plane, ALL_GUARDS),
        "half-plane": sequential(half_plane, Guards()),
        "Gaussian mixture": sequential(GaussianMixtureTest, Guards()),
        "Argo (no failure allowed)": lambda run, alpha: Threshold(limit, 0),
        "Flagger (5 failures)": lambda run, alpha: Threshold(limit, 4),
    }
