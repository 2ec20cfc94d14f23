"""What is known of a rollout's two arms: built up block by block, and kept in the database.

A block is what all workers counted in a look or a few, of one stratum. The odds ratio tests, the
excess beyond the margin and the totals of the keys run through the whole rollout; the tests for
"not worse" and the arms' totals begin anew with every step, which has to earn its own advance.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from querylake_api.rollouts.judging.open_block import OpenBlock
from querylake_api.rollouts.records.outcomes import Kind
from querylake_api.settings import Role
from rollout_statistics.counts import Block, Counts
from rollout_statistics.excess import Excess
from rollout_statistics.half_plane import HalfPlaneTest
from rollout_statistics.odds_ratio import OddsRatioTest, log_sum_exp, not_worse
from rollout_statistics.policy import SIGNALS, Policy, Signal
from rollout_statistics.running_quantile import RunningQuantile, buckets_in

QUANTILE = 0.95
MIN_FOR_QUANTILE = 40
"""Durations of the stable stack that a stratum needs before "slow" means anything. A threshold that
few have set is rough, which costs power and no false alarms: it is the same for both arms."""

Durations = Mapping[Signal, RunningQuantile]


class _Seen(NamedTuple):
    """One kind of outcome as a signal sees it.

    Attributes:
        beyond: whether it is beyond what the plan forgives.
    """

    event: bool
    beyond: bool


@dataclass(slots=True)
class SignalEvidence:
    """What one signal says.

    Attributes:
        worse: over the whole rollout.
        not_worse: in this step, by a difference of rates.
        odds_not_worse: likewise by an odds ratio, which bursts that strike both arms do not blur;
            None for failed requests, of which there often are none to have odds.
        excess: beyond what the plan forgives, over the whole rollout.
        control: this step's totals.
        keys: over the whole rollout, by arm and key.
    """

    worse: OddsRatioTest
    not_worse: HalfPlaneTest
    odds_not_worse: OddsRatioTest | None
    excess: Excess = field(default_factory=Excess)
    control: Counts = field(default_factory=Counts)
    canary: Counts = field(default_factory=Counts)
    keys: dict[Role, dict[str, Counts]] = field(
        default_factory=lambda: {"stable": {}, "candidate": {}}
    )

    def add(self, worse: Block, beyond: Block) -> None:
        """Take one block into account."""
        self.worse.add(worse)
        self.not_worse.add(beyond)
        if self.odds_not_worse is not None:
            self.odds_not_worse.add(beyond)
        self.excess.add(beyond)
        self.control += worse.control
        self.canary += worse.canary

    def log_e_not_worse(self, dispersion: float) -> float:
        """Return the logarithm of the mean of the e-values for "not worse"."""
        values = [self.not_worse.log_e(dispersion)]
        if self.odds_not_worse is not None:
            values.append(self.odds_not_worse.log_e(dispersion))
        return log_sum_exp(values) - math.log(len(values))


class Evidence:
    """Everything that verdicts rest on.

    Attributes:
        step: which step `not_worse` and the totals are of.
        durations: of each arm and stratum: what "slow" is drawn from, and what is shown.
        open_blocks: by stratum; what is in them counts nowhere yet.
    """

    def __init__(self, policy: Policy, step: int = 0) -> None:
        self.policy = policy
        self.step = step
        self.signals = {signal: _fresh(policy, signal) for signal in SIGNALS}
        self.durations: dict[tuple[str, Role, Signal], RunningQuantile] = {}
        self.open_blocks: dict[str, OpenBlock] = {}

    def begin_step(self, step: int) -> None:
        """Begin what every step has to earn for itself."""
        self.step = step
        self.open_blocks = {}
        for signal, evidence in self.signals.items():
            fresh = _fresh(self.policy, signal)
            evidence.not_worse = fresh.not_worse
            evidence.odds_not_worse = fresh.odds_not_worse
            evidence.control = evidence.canary = Counts()

    def fold(self, counts: Mapping[Kind, int]) -> None:
        """Take in what all workers have counted since the last time."""
        by_stratum: dict[str, list[tuple[Kind, int]]] = {}
        for kind, count in counts.items():
            by_stratum.setdefault(kind.stratum, []).append((kind, count))
        for stratum, kinds in by_stratum.items():
            block = self.open_blocks.setdefault(stratum, OpenBlock())
            block.add(kinds)
            if block.complete:
                del self.open_blocks[stratum]
                self._fold_block(stratum, block.counts)

    def _fold_block(self, stratum: str, counts: Mapping[Kind, int]) -> None:
        for signal in SIGNALS:
            self._fold_signal(stratum, signal, counts.items())
        self._remember_durations(stratum, counts.items())

    def _fold_signal(self, stratum: str, signal: Signal, kinds: Iterable[tuple[Kind, int]]) -> None:
        slow = self._slow_from(stratum, signal)
        worse: dict[Role, Counts] = {"stable": Counts(), "candidate": Counts()}
        beyond: dict[Role, Counts] = {"stable": Counts(), "candidate": Counts()}
        evidence = self.signals[signal]
        for kind, count in kinds:
            seen = self._see(signal, kind, slow)
            if seen is None:
                continue
            counts = Counts(count, count * seen.event)
            worse[kind.arm] += counts
            beyond[kind.arm] += Counts(count, count * seen.beyond)
            if kind.key:
                keys = evidence.keys[kind.arm]
                keys[kind.key] = keys.get(kind.key, Counts()) + counts
        evidence.add(
            Block(worse["stable"], worse["candidate"]),
            Block(beyond["stable"], beyond["candidate"]),
        )

    def _see(self, signal: Signal, kind: Kind, slow: int | None) -> _Seen | None:
        if signal == "errors":
            return _Seen(kind.failed, kind.failed)
        duration = kind.first_token if signal == "first_token" else kind.gap
        if duration is None or slow is None or kind.failed:
            return None
        forgiven = buckets_in(self.policy.latency_ratio) if kind.arm == "candidate" else 0
        return _Seen(duration > slow, duration > slow + forgiven)

    def _slow_from(self, stratum: str, signal: Signal) -> int | None:
        control = self.durations.get((stratum, "stable", signal))
        if control is None or control.total < MIN_FOR_QUANTILE:
            return None
        return control.bucket_at(QUANTILE)

    def _remember_durations(self, stratum: str, kinds: Iterable[tuple[Kind, int]]) -> None:
        for kind, count in kinds:
            durations: dict[Signal, int | None] = {
                "first_token": kind.first_token,
                "gaps": kind.gap,
            }
            for signal, duration in durations.items():
                if duration is not None and not kind.failed:
                    place = (stratum, kind.arm, signal)
                    self.durations.setdefault(place, RunningQuantile()).add(duration, count)

    def pooled(self, arm: Role, signal: Signal) -> RunningQuantile:
        """Return an arm's durations over all strata, for showing."""
        pooled = RunningQuantile()
        for (_, its_arm, its_signal), durations in self.durations.items():
            if its_arm == arm and its_signal == signal:
                for bucket, count in durations.buckets.items():
                    pooled.add(bucket, count)
        return pooled

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "step": self.step,
            "signals": {name: _signal_document(each) for name, each in self.signals.items()},
            "durations": [
                [*place, sorted(durations.buckets.items())]
                for place, durations in self.durations.items()
            ],
            "open_blocks": {
                stratum: [block.looks, [[*kind, count] for kind, count in block.counts.items()]]
                for stratum, block in self.open_blocks.items()
            },
        }

    @classmethod
    def of(cls, policy: Policy, document: Mapping[str, Any] | None) -> Evidence:
        """Return what `document` made a JSON of; None is the beginning."""
        evidence = cls(policy)
        if document is None:
            return evidence
        evidence.step = document["step"]
        for signal in SIGNALS:
            evidence.signals[signal] = _signal_of(policy, signal, document["signals"][signal])
        for stratum, arm, signal, buckets in document["durations"]:
            evidence.durations[stratum, arm, signal] = RunningQuantile(Counter(dict(buckets)))
        for stratum, (looks, kinds) in document.get("open_blocks", {}).items():
            counts = Counter({Kind(*kind): count for *kind, count in kinds})
            evidence.open_blocks[stratum] = OpenBlock(counts, looks)
        return evidence


def _margin(policy: Policy, signal: Signal) -> float:
    return policy.error_margin if signal == "errors" else policy.slow_margin


def _fresh(policy: Policy, signal: Signal) -> SignalEvidence:
    return SignalEvidence(
        OddsRatioTest(),
        HalfPlaneTest("not_worse", _margin(policy, signal)),
        _odds_not_worse(policy, signal),
    )


def _odds_not_worse(
    policy: Policy, signal: Signal, log_ratios: list[float] | None = None
) -> OddsRatioTest | None:
    """Return the test; a step from before there was one begins it anew."""
    return None if signal == "errors" else OddsRatioTest(log_ratios, not_worse(policy.slow_odds))


def _signal_document(evidence: SignalEvidence) -> dict[str, Any]:
    test = evidence.not_worse
    odds = evidence.odds_not_worse
    return {
        "worse": evidence.worse.log_ratios,
        "odds_not_worse": None if odds is None else odds.log_ratios,
        "not_worse": [test.value, *_pair(test.control), *_pair(test.canary)],
        "excess": [evidence.excess.events, evidence.excess.weight],
        "control": _pair(evidence.control),
        "canary": _pair(evidence.canary),
        "keys": {
            arm: {key: _pair(counts) for key, counts in keys.items()}
            for arm, keys in evidence.keys.items()
        },
    }


def _signal_of(policy: Policy, signal: Signal, document: Mapping[str, Any]) -> SignalEvidence:
    value, *four = document["not_worse"]
    step = Block(Counts(*four[:2]), Counts(*four[2:]))
    return SignalEvidence(
        OddsRatioTest(document["worse"]),
        HalfPlaneTest(
            "not_worse",
            _margin(policy, signal),
            value=value,
            control=step.control,
            canary=step.canary,
        ),
        _odds_not_worse(policy, signal, document.get("odds_not_worse")),
        _excess_of(document.get("excess"), step),
        Counts(*document["control"]),
        Counts(*document["canary"]),
        {
            arm: {key: Counts(*pair) for key, pair in document["keys"][arm].items()}
            for arm in ("stable", "candidate")
        },
    )


def _excess_of(stored: list[float] | None, step: Block) -> Excess:
    """Return the excess; a rollout from before there was one goes on from its step's totals."""
    if stored is not None:
        return Excess(*stored)
    excess = Excess()
    excess.add(step)
    return excess


def _pair(counts: Counts) -> list[int]:
    return [counts.trials, counts.events]
