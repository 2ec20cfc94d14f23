"""The rule of Argo Rollouts and Flagger: a threshold on the canary, looked at every interval.

Flagger ends a canary after `threshold` failed checks in all; Argo Rollouts ends an analysis after
more than `failureLimit` failed measurements, 0 unless told otherwise. Neither looks at how much
data a check rests on. The simulation keeps the rule for comparison.
https://docs.flagger.app/usage/how-it-works https://argo-rollouts.readthedocs.io/en/stable/features/analysis/
"""

from __future__ import annotations

from rollout_statistics.counts import Counts


class FixedThreshold:
    """Counts failed checks.

    Args:
        rate: the rate above which a check fails.
        allowed: how many checks may fail.
    """

    def __init__(self, rate: float, allowed: int) -> None:
        self._rate = rate
        self._allowed = allowed
        self.failed = 0

    def check(self, canary: Counts) -> bool:
        """Take one interval's counts into account, and return whether the rule rolls back."""
        self.failed += canary.trials > 0 and canary.rate > self._rate
        return self.failed > self._allowed
