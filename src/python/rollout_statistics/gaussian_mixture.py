"""The mixture sequential probability ratio test on the difference of two rates.

Johari, Koomen, Pekelis & Walsh, "Always Valid Inference: Continuous Monitoring of A/B Tests"
(Operations Research 70, 2022). It rests on a normal approximation, and compares totals: it takes
the rates to be the same at all times. The simulation keeps it for comparison.
"""

from __future__ import annotations

import math

from rollout_statistics.counts import Block, Counts

MIXTURE_DEVIATION = 0.02
"""The standard deviation of the differences that the mixture expects."""


class GaussianMixtureTest:
    """One-sided: differences in the canary's favour count as none."""

    def __init__(self) -> None:
        self.control = Counts()
        self.canary = Counts()

    def add(self, block: Block) -> None:
        """Take one block into account."""
        self.control += block.control
        self.canary += block.canary

    def log_e(self, dispersion: float = 1.0) -> float:
        """Return the logarithm of the e-value; for `dispersion` see `OddsRatioTest.log_e`."""
        difference = self.canary.rate - self.control.rate
        if difference <= 0 or not self.control.trials:
            return 0.0
        variance = dispersion * (_variance(self.control) + _variance(self.canary))
        mixture = MIXTURE_DEVIATION**2
        evidence = mixture * difference**2 / (2 * variance * (variance + mixture))
        return evidence + 0.5 * math.log(variance / (variance + mixture))


def _variance(counts: Counts) -> float:
    smoothed = (counts.events + 1) / (counts.trials + 2)
    return smoothed * (1 - smoothed) / counts.trials
