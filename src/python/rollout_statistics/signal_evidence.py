"""What one signal has gathered, block by block."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from rollout_statistics.change_detector import ChangeDetector
from rollout_statistics.counts import Block, Counts
from rollout_statistics.excess import Excess
from rollout_statistics.half_plane import HalfPlaneTest
from rollout_statistics.key_ledger import KeyLedger
from rollout_statistics.key_spread import dispersion
from rollout_statistics.odds_ratio import OddsRatioTest, log_sum_exp, not_worse
from rollout_statistics.outcomes import Arm
from rollout_statistics.policy import Policy
from rollout_statistics.signals import DURATIONS, RARE, Signal
from rollout_statistics.spells import Moments
from rollout_statistics.window_spread import WindowSpread, two_way

MEMORY_REQUESTS = 2000.0
"""Of the candidate, over which its excess is measured: long enough to tell 1.1 times from 1.25,
short enough that a good past does not outweigh a fault that begins."""


@dataclass(slots=True)
class SignalEvidence:
    """What one signal says.

    Attributes:
        worse: over the whole rollout, begun again and again.
        not_worse: in this step, by a difference of rates.
        odds_not_worse: likewise by an odds ratio, which bursts that strike both arms do not blur;
            None where there often are no events to have odds.
        excess: beyond what the plan forgives, over the step.
        spread: of the difference between windows of time.
        moments: for signals that are durations.
        control: this step's totals.
        keys: over the whole rollout.
        first_at: when it was first measured in both arms, in seconds since the rollout began.
        step_at: likewise in this step.
    """

    worse: ChangeDetector
    not_worse: HalfPlaneTest
    odds_not_worse: OddsRatioTest | None
    excess: Excess = field(default_factory=lambda: Excess(memory=MEMORY_REQUESTS))
    spread: WindowSpread = field(default_factory=WindowSpread)
    moments: Moments | None = None
    control: Counts = field(default_factory=Counts)
    canary: Counts = field(default_factory=Counts)
    keys: dict[Arm, KeyLedger] = field(
        default_factory=lambda: {"stable": KeyLedger(), "candidate": KeyLedger()}
    )
    first_at: float | None = None
    step_at: float | None = None

    def add(self, at: float, worse: Block, beyond: Block) -> None:
        """Take one block into account.

        Args:
            at: seconds since the rollout began.
            worse: both arms against the same line.
            beyond: the candidate against the line that the plan allows it.
        """
        if worse.control.trials and worse.canary.trials:
            self.first_at = at if self.first_at is None else self.first_at
            self.step_at = at if self.step_at is None else self.step_at
        self.worse.add(worse)
        self.not_worse.add(beyond)
        if self.odds_not_worse is not None:
            self.odds_not_worse.add(beyond)
        self.excess.add(beyond)
        self.spread.add(at, worse)
        if self.moments is not None:
            self.moments.add(at, worse)
        self.control += worse.control
        self.canary += worse.canary

    def begin_step(self, policy: Policy, signal: Signal) -> None:
        """Begin what every step has to earn for itself."""
        self.worse.begin_step()
        self.not_worse = HalfPlaneTest("not_worse", margin(policy, signal))
        self.odds_not_worse = odds_not_worse(policy, signal)
        self.excess = Excess(memory=MEMORY_REQUESTS)
        self.control = self.canary = Counts()
        self.step_at = None

    @property
    def dispersion(self) -> float:
        """Return what the evidence is divided by, since keys and moments differ."""
        keys = dispersion(self.keys["stable"].sums, self.keys["candidate"].sums)
        return two_way(keys, self.spread.dispersion)

    def log_e_not_worse(self, spread: float) -> float:
        """Return the logarithm of the mean of the e-values for "not worse"."""
        values = [self.not_worse.log_e(spread)]
        if self.odds_not_worse is not None:
            values.append(self.odds_not_worse.log_e(spread))
        return log_sum_exp(values) - math.log(len(values))


def fresh(policy: Policy, signal: Signal) -> SignalEvidence:
    """Return the evidence of a rollout that begins."""
    return SignalEvidence(
        ChangeDetector(),
        HalfPlaneTest("not_worse", margin(policy, signal)),
        odds_not_worse(policy, signal),
        moments=Moments() if signal in DURATIONS else None,
    )


def margin(policy: Policy, signal: Signal) -> float:
    """Return by how much the candidate's rate of a signal may be above the stable stack's."""
    if signal in RARE:
        return policy.error_margin
    if signal in DURATIONS:
        return policy.slow_margin
    return max(policy.slow_margin, policy.error_margin)


def odds_not_worse(policy: Policy, signal: Signal) -> OddsRatioTest | None:
    """Return the test by odds, for signals that sound stacks have often."""
    return None if signal in RARE else OddsRatioTest(question=not_worse(policy.slow_odds))
