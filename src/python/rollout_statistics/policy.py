"""What the verdicts of one rollout may cost: the numbers behind "rolled back" and "not worse"."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

Signal = Literal["errors", "first_token", "gaps"]
"""Failed requests; a first token, or pauses between tokens, slower than the control's p95."""

SIGNALS: tuple[Signal, ...] = ("errors", "first_token", "gaps")


@dataclass(frozen=True, slots=True)
class Policy:
    """How sure a verdict must be.

    Attributes:
        alphas: how often, per rollout, each signal may roll a sound canary back if requests are
            independent: 0.5% in all, which leaves as much for keys that are not.
        advance_alpha: how often, per step, a canary at the margin may be let through.
        error_margin: a canary's error rate may be this much above the control's.
        latency_ratio: its p95 may be this many times the control's.
        slow_margin: how many more of its requests may be slower than that; or, if that allows more,
        slow_odds: how many times as large the odds of such a request may be. At 5% of the control's
            both allow 8%.
        min_requests: the canary's requests before any verdict.
    """

    alphas: dict[Signal, float] = field(
        default_factory=lambda: {"errors": 0.0025, "first_token": 0.00125, "gaps": 0.00125}
    )
    advance_alpha: float = 0.05
    error_margin: float = 0.01
    latency_ratio: float = 1.25
    slow_margin: float = 0.03
    slow_odds: float = 1.65
    min_requests: int = 50

    def rollback_threshold(self, signal: Signal) -> float:
        """Return the logarithm of the e-value from which a signal rolls back."""
        return -math.log(self.alphas[signal])

    @property
    def advance_threshold(self) -> float:
        """Return the logarithm of the e-value from which a signal is "not worse"."""
        return -math.log(self.advance_alpha)
