"""The rules that are compared: each sees a rollout second by second and says when it rolls back."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

from rollout_statistics.counts import Block, Counts
from rollout_statistics.fixed_threshold import FixedThreshold
from rollout_statistics.gaussian_mixture import GaussianMixtureTest
from rollout_statistics.half_plane import HalfPlaneTest
from rollout_statistics.key_spread import dispersion, lucky_keys, stands_without_worst
from rollout_statistics.odds_ratio import OddsRatioTest
from rollout_statistics.simulation.traffic import Run

INTERVAL_SECONDS = 60
"""How often Argo and Flagger look, in their examples."""


class Rule(Protocol):
    """Decides for one rollout."""

    def rolls_back(self, block: Block) -> bool:
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


class Sequential:
    """An e-value against a threshold, with or without the guard against correlated keys."""

    def __init__(
        self, test: SequentialTest, run: Run, alpha: float, *, spread: bool, breadth: bool
    ) -> None:
        self._test = test
        self._run = run
        self._alpha = alpha
        self._spread = spread
        self._breadth = breadth

    def rolls_back(self, block: Block) -> bool:
        """Decide after a second in which the canary had an event; others only calm."""
        self._test.add(block)
        threshold = -math.log(self._alpha)
        if not block.canary.events or self._test.log_e() < threshold:
            return False
        if not (self._spread or self._breadth):
            return True
        control, canary = self._run.control.keys(), self._run.canary.keys()
        if self._breadth:
            worst = lucky_keys(self._run.traffic.share, self._alpha)
            if not stands_without_worst(sum(control, Counts()), canary, worst):
                return False
        return not self._spread or self._test.log_e(dispersion(control, canary)) >= threshold


class Threshold:
    """The fixed threshold of Argo and Flagger, once a minute."""

    def __init__(self, rate: float, allowed: int) -> None:
        self._rule = FixedThreshold(rate, allowed)
        self._seconds = 0
        self._window = Counts()

    def rolls_back(self, block: Block) -> bool:
        """Look at the end of each minute."""
        self._window += block.canary
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

    def guarded(spread: bool, breadth: bool) -> MakeRule:
        return lambda run, alpha: Sequential(
            OddsRatioTest(), run, alpha, spread=spread, breadth=breadth
        )

    return {
        "odds ratio, guarded": guarded(True, True),
        "odds ratio, dispersion only": guarded(True, False),
        "odds ratio, breadth only": guarded(False, True),
        "odds ratio": guarded(False, False),
        "half-plane": lambda run, alpha: Sequential(
            HalfPlaneTest("worse", 0.0), run, alpha, spread=False, breadth=False
        ),
        "half-plane, guarded": lambda run, alpha: Sequential(
            HalfPlaneTest("worse", 0.0), run, alpha, spread=True, breadth=True
        ),
        "Gaussian mixture": lambda run, alpha: Sequential(
            GaussianMixtureTest(), run, alpha, spread=False, breadth=False
        ),
        "Argo (no failure allowed)": lambda run, alpha: Threshold(limit, 0),
        "Flagger (5 failures)": lambda run, alpha: Threshold(limit, 4),
    }
