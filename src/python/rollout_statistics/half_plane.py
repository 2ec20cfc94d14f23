"""Is the canary's rate beyond a line? A test with e-variables for two Bernoulli streams.

Turner, Ly & Grünwald, "Generic E-Variables for Exact Sequential k-Sample Tests that allow for
Optional Stopping" (J. Statistical Planning and Inference 230, 2024), and for null hypotheses that
are a half-plane Turner & Grünwald, "Exact Anytime-Valid Confidence Intervals for Contingency
Tables and Beyond" (Statistics & Probability Letters 198, 2023): the e-variable of a block is the
likelihood of its outcomes under a guess that only earlier blocks have informed, divided by that
under the point of the null hypothesis closest to the guess (in Kullback-Leibler divergence,
weighted by the block's sizes). If the guess lies inside the null hypothesis, it is 1.
"""

from __future__ import annotations

import math
from typing import Literal

from rollout_statistics.counts import Block, Counts

Alternative = Literal["worse", "not_worse"]

PRIOR_RATE = 0.01
PRIOR_WEIGHT = 20.0
"""What is guessed before there are data, and how many requests that guess is worth."""

_SMALLEST = 1e-9


class HalfPlaneTest:
    """Tests the null hypothesis `canary <= control + margin` (`worse`), or `>=` (`not_worse`).

    A large value speaks against it: for the alternative that the name says.
    """

    def __init__(
        self,
        alternative: Alternative,
        margin: float,
        *,
        value: float = 0.0,
        control: Counts = Counts(),  # noqa: B008 - immutable
        canary: Counts = Counts(),  # noqa: B008 - immutable
    ) -> None:
        if not 0 <= margin < 1:
            raise ValueError(f"a margin of {margin} is none: it lies between 0 and 1")
        self._worse = alternative == "worse"
        self._margin = margin
        self.value = value
        self.control = control
        self.canary = canary

    def add(self, block: Block) -> None:
        """Take one block into account."""
        if block.control.trials and block.canary.trials:
            self.value += self._log_e_variable(block)
        self.control += block.control
        self.canary += block.canary

    def log_e(self, dispersion: float = 1.0) -> float:
        """Return the logarithm of the e-value; for `dispersion` see `OddsRatioTest.log_e`."""
        return self.value / dispersion

    def _log_e_variable(self, block: Block) -> float:
        control = _guess(self.control, PRIOR_RATE)
        canary = _guess(self.canary, control)
        beyond = canary - control - self._margin
        if beyond <= 0 if self._worse else beyond >= 0:
            return 0.0
        nearest = _nearest(block, control, canary, self._margin)
        return (
            _log_likelihood(block.control, control)
            + _log_likelihood(block.canary, canary)
            - _log_likelihood(block.control, nearest)
            - _log_likelihood(block.canary, nearest + self._margin)
        )


def _guess(seen: Counts, prior: float) -> float:
    return (seen.events + PRIOR_WEIGHT * prior) / (seen.trials + PRIOR_WEIGHT)


def _nearest(block: Block, control: float, canary: float, margin: float) -> float:
    """Return the control's rate at the point of the line that is closest to the guess.

    The divergence is convex along the line, so its slope has one root: without a margin the mean,
    otherwise bisection finds it.
    """
    if not margin:
        both = block.control.trials * control + block.canary.trials * canary
        return both / (block.control.trials + block.canary.trials)
    low, high = _SMALLEST, 1.0 - margin - _SMALLEST
    for _ in range(40):
        middle = (low + high) / 2
        shifted = middle + margin
        slope = block.control.trials * (middle - control) / (middle * (1 - middle))
        slope += block.canary.trials * (shifted - canary) / (shifted * (1 - shifted))
        low, high = (middle, high) if slope < 0 else (low, middle)
    return (low + high) / 2


def _log_likelihood(counts: Counts, rate: float) -> float:
    rate = min(max(rate, _SMALLEST), 1 - _SMALLEST)
    return counts.events * math.log(rate) + (counts.trials - counts.events) * math.log1p(-rate)
