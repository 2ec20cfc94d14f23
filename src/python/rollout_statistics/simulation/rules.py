"""The rules that are compared: each sees a rollout look by look and says when it rolls back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

from rollout_statistics.counts import Counts
from rollout_statistics.decision import Course, course
from rollout_statistics.evidence import Evidence
from rollout_statistics.fixed_threshold import FixedThreshold
from rollout_statistics.outcomes import ARMS, Arm, Kind
from rollout_statistics.policy import Policy
from rollout_statistics.running_quantile import bucket_of
from rollout_statistics.signals import Signal
from rollout_statistics.simulation.engine import RESPONSE_SECONDS
from rollout_statistics.simulation.run import Run
from rollout_statistics.simulation.traffic import Traffic
from rollout_statistics.verdict import words

INTERVAL_SECONDS = 60
"""How often the other rules look, as in the examples of Argo and Flagger."""

CRITICAL = 6.63
"""Of chi squared with one degree of freedom, at 1%."""

TIMES_USUAL = 2.0
"""The threshold of Argo and Flagger, over the usual rate."""


class Rule(Protocol):
    """Decides for one rollout."""

    def decides(self, at: float, counts: Mapping[Kind, int]) -> Course:
        """Take a look, and return what follows from it."""
        ...


class Product:
    """The rule of the product, all of it.

    Attributes:
        worse: the signals that rolled back.
        counted_from: the candidate's requests when durations began to count.
    """

    def __init__(self, run: Run, policy: Policy) -> None:
        self._run = run
        self._evidence = Evidence(policy, run.listed)
        self.worse: tuple[Signal, ...] = ()
        self.counted_from: int | None = None

    def decides(self, at: float, counts: Mapping[Kind, int]) -> Course:
        """Fold, judge and decide."""
        self._evidence.fold(counts, at)
        if self.counted_from is None and not self._evidence.warming_up(at):
            self.counted_from = self._run.candidate_requests
        said = words(self._evidence, self._run.traffic.share, at)
        self.worse = tuple(signal for signal, word in said.items() if word == "worse")
        return course(said.values())


class _Minutely:
    """What other rules see: requests that ended badly, and slow ones, once a minute."""

    def __init__(self, traffic: Traffic) -> None:
        usual = traffic.stable
        self.usual_bad = usual.failed + usual.rejected + usual.refused + usual.abandoned + usual.odd
        self._line = bucket_of(RESPONSE_SECONDS * math.exp(1.645 * traffic.sigma))
        self._seconds = 0
        self._bad: dict[Arm, Counts] = {}
        self._slow: dict[Arm, Counts] = {}
        self._empty()

    def _empty(self) -> None:
        self._bad = {arm: Counts() for arm in ARMS}
        self._slow = {arm: Counts() for arm in ARMS}

    def decides(self, at: float, counts: Mapping[Kind, int]) -> Course:
        """Count, and look at the end of each minute."""
        for kind, count in counts.items():
            if kind.ending == "waiting":
                continue
            bad = kind.ending != "answered" or kind.odd
            self._bad[kind.arm] += Counts(count, count * bad)
            if kind.response is not None and kind.ending == "answered":
                self._slow[kind.arm] += Counts(count, count * (kind.response > self._line))
        self._seconds += 1
        if self._seconds % INTERVAL_SECONDS:
            return "hold"
        rolls_back = self.minute(self._bad, self._slow)
        self._empty()
        return "rollback" if rolls_back else "hold"

    def minute(self, bad: Mapping[Arm, Counts], slow: Mapping[Arm, Counts]) -> bool:
        """Return whether a minute ends the rollout."""
        raise NotImplementedError


class Naive(_Minutely):
    """A chi-squared test of everything up to now, again and again, as dashboards do it."""

    def __init__(self, traffic: Traffic) -> None:
        super().__init__(traffic)
        self._totals = [{arm: Counts() for arm in ARMS} for _ in range(2)]

    def minute(self, bad: Mapping[Arm, Counts], slow: Mapping[Arm, Counts]) -> bool:
        """Test both totals."""
        for totals, new in zip(self._totals, (bad, slow), strict=True):
            for arm in ARMS:
                totals[arm] += new[arm]
        return any(_significant(each["stable"], each["candidate"]) for each in self._totals)


class Threshold(_Minutely):
    """The fixed threshold of Argo and Flagger, on each of two metrics."""

    def __init__(self, traffic: Traffic, allowed: int) -> None:
        super().__init__(traffic)
        self._rules = [
            FixedThreshold(TIMES_USUAL * self.usual_bad, allowed),
            FixedThreshold(TIMES_USUAL * 0.05, allowed),
        ]

    def minute(self, bad: Mapping[Arm, Counts], slow: Mapping[Arm, Counts]) -> bool:
        """Check the candidate alone."""
        checks = [
            rule.check(each["candidate"])
            for rule, each in zip(self._rules, (bad, slow), strict=True)
        ]
        return any(checks)


def _significant(stable: Counts, candidate: Counts) -> bool:
    both = stable + candidate
    single = both.rate * (1 - both.rate)
    if not (single and stable.trials and candidate.trials) or candidate.rate <= stable.rate:
        return False
    variance = single * (1 / stable.trials + 1 / candidate.trials)
    return (candidate.rate - stable.rate) ** 2 / variance > CRITICAL


def others(traffic: Traffic) -> dict[str, Rule]:
    """Return the rules that the product's is compared with, by name."""
    return {
        "chi-squared each minute": Naive(traffic),
        "Argo (no failure allowed)": Threshold(traffic, 0),
        "Flagger (5 failures)": Threshold(traffic, 4),
    }
