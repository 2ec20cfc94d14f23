"""Is the candidate worse *now*? An e-detector: the odds ratio test, begun again and again.

A test that has seen 100,000 good requests has gathered so much evidence for "alike" that a fault
which begins then takes as many bad ones to outweigh. So the test is a mixture over its own
beginnings: one at the start, one with each step, and one every `RESTART_REQUESTS` requests of the
candidate. Each beginning has a weight, fixed in advance, and the weights sum to at most 1: the
mixture is itself a test martingale, and Ville's inequality holds for it over the whole rollout.
A fault that begins late is found by the beginning just before it, at the price of the logarithm of
its weight.

The weighted sum over beginnings is the recursion of Shiryaev and Roberts; see Shin, Ramdas &
Rinaldo, "E-detectors: A Nonparametric Framework for Sequential Change Detection" (New England
Journal of Statistics in Data Science 2, 2024). Theirs bounds how often it alarms per time; weights
that sum to 1 bound how often it ever does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from rollout_statistics.counts import Block
from rollout_statistics.odds_ratio import WORSE, increments, log_sum_exp

START_WEIGHT = 0.4
STEP_WEIGHT = 0.15
"""For all steps after the first together: the next one gets half of what is left."""

EVEN_WEIGHT = 0.4
LATE_WEIGHT = 0.05
"""For the beginnings in between: the first `EVEN_RESTARTS` share one alike, those after them the
other, fewer with each."""

RESTART_REQUESTS = 100
EVEN_RESTARTS = 1000


class ChangeDetector:
    """The running mixture over beginnings, for each odds ratio of `WORSE`."""

    def __init__(self, state: Sequence[float] | None = None) -> None:
        """Begin, or go on from what `state` returned.

        Raises:
            ValueError: the state has another number of figures.
        """
        count = len(WORSE.alternatives)
        fresh = [math.log(START_WEIGHT)] * count + [0.0, 0.0, 0.0]
        values = fresh if state is None else list(state)
        if len(values) != len(fresh):
            raise ValueError(f"{len(values)} figures, {len(fresh)} were expected")
        self._logs = values[:count]
        self._steps, self._restarts, self._since = (int(each) for each in values[count:])

    @property
    def state(self) -> list[float]:
        """Return what it can go on from."""
        return [*self._logs, self._steps, self._restarts, self._since]

    def begin_step(self) -> None:
        """Add a beginning for a step after the first."""
        self._steps += 1
        self._begin(STEP_WEIGHT / 2**self._steps)

    def add(self, block: Block) -> None:
        """Take one block into account. When to begin again depends on sizes alone."""
        change = increments(block)
        if change is not None:
            self._logs = [value + each for value, each in zip(self._logs, change, strict=True)]
        self._since += block.canary.trials if block.control.trials else 0
        if self._since >= RESTART_REQUESTS:
            self._since = 0
            self._restarts += 1
            self._begin(restart_weight(self._restarts))

    def _begin(self, weight: float) -> None:
        log_weight = math.log(weight)
        self._logs = [log_sum_exp((value, log_weight)) for value in self._logs]

    def log_e(self, dispersion: float = 1.0) -> float:
        """Return the logarithm of the e-value; for `dispersion` see `OddsRatioTest.log_e`."""
        return (log_sum_exp(self._logs) - math.log(len(self._logs))) / dispersion


def restart_weight(number: int) -> float:
    """Return the weight of the beginning with this number, from 1."""
    if number <= EVEN_RESTARTS:
        return EVEN_WEIGHT / EVEN_RESTARTS
    return LATE_WEIGHT * EVEN_RESTARTS / (number * (number - 1))
