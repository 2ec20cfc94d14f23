"""What the verdicts of one rollout may cost: the numbers behind "worse" and "not worse"."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from rollout_statistics.signals import SIGNALS, Signal

BUDGET = 0.01
"""How often a rollout of a sound candidate may be rolled back, by all signals together."""

USED = 0.75
"""The part of the budget that the thresholds are made of. They hold for independent requests; the
rest is for keys and moments that are not, whose spread is estimated (see `spread`)."""

DEFAULT_WEIGHTS: Mapping[Signal, float] = {
    "failed": 6.0,
    "rejected": 3.0,
    "refused": 1.0,
    "abandoned": 5.0,
    "slow_response": 2.0,
    "slow_pauses": 0.7,
    "long_pause": 0.4,
    "odd_output": 3.0,
    "no_tool_call": 1.0,
}


@dataclass(frozen=True, slots=True)
class Policy:
    """How sure a verdict must be.

    Attributes:
        weights: how the budget of false alarms is shared; a signal of weight 0 rolls nothing back.
        advance_alpha: how often, per step, a candidate at the margin may be let through.
        error_margin: a rate of the candidate may be this much above the stable stack's.
        latency_ratio: its p95 may be this many times the stable stack's.
        slow_margin: how many more of its requests may be slower than that; or, if that allows more,
        slow_odds: how many times as large the odds of such a request may be. At 5% of the stable
            stack's both allow 8%.
        min_requests: the candidate's requests before any verdict.
        warmup_seconds: from the candidate's first request on, in which durations do not count.
    """

    weights: Mapping[Signal, float] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    advance_alpha: float = 0.05
    error_margin: float = 0.01
    latency_ratio: float = 1.25
    slow_margin: float = 0.03
    slow_odds: float = 1.65
    min_requests: int = 50
    warmup_seconds: float = 300.0

    def alpha(self, signal: Signal) -> float:
        """Return how often a signal may roll a sound candidate back, per rollout."""
        whole = math.fsum(self.weights.get(each, 0.0) for each in SIGNALS)
        return USED * BUDGET * self.weights.get(signal, 0.0) / whole if whole else 0.0

    def rollback_threshold(self, signal: Signal) -> float:
        """Return the logarithm of the e-value from which a signal rolls back."""
        alpha = self.alpha(signal)
        return -math.log(alpha) if alpha else math.inf

    @property
    def advance_threshold(self) -> float:
        """Return the logarithm of the e-value from which a signal is "not worse"."""
        return -math.log(self.advance_alpha)
