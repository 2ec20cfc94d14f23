"""What the evidence says of each signal: figures, and one word."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from rollout_statistics.counts import Counts
from rollout_statistics.evidence import Evidence
from rollout_statistics.few_keys import all_struck, is_broad, keys_of_luck, worse_than_their_past
from rollout_statistics.forecast import seconds_until_not_worse
from rollout_statistics.key_spread import rate_dispersion
from rollout_statistics.outcomes import Arm
from rollout_statistics.policy import Policy
from rollout_statistics.rate_interval import rate_interval
from rollout_statistics.running_quantile import upper_edge
from rollout_statistics.signal_evidence import SignalEvidence
from rollout_statistics.signals import DURATIONS, SIGNALS, Signal
from rollout_statistics.slow_line import QUANTILE
from rollout_statistics.spells import stands_without_spells

Word = Literal["worse", "not worse", "inconclusive", "not measured"]

Obstacle = Literal["", "few requests", "few keys", "spells", "forgiven", "one arm", "warm-up"]
"""Why a signal is not decided, or that a difference beyond doubt is within what the plan forgives.
`spells`: it may be the candidate's worst moments alone. `one arm`: only one stack had anything to
measure, so there is nothing to compare."""

MIN_MEASURED = 20
"""A signal that the candidate has so many requests of must be decided before a step advances, also
if the stable stack has none: that is a difference, and not nothing."""


@dataclass(frozen=True, slots=True)
class KeyFigures:
    """One key, over the whole rollout."""

    key: str
    requests: int
    events: int


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """One arm, in this step.

    Attributes:
        low: end of the 95% interval of the rate, good at all times, also if keys differ.
        p95: seconds, over the whole rollout; None for what is no duration, or without data.
        keys: how many keys had the event, over the whole rollout.
        worst: those that had it most often.
    """

    requests: int
    events: int
    rate: float
    low: float
    high: float
    p95: float | None
    keys: int
    worst: tuple[KeyFigures, ...]


@dataclass(frozen=True, slots=True)
class SignalVerdict:
    """What one signal says.

    Attributes:
        e_worse: the evidence that the candidate is worse; `e_needed` of it rolls back.
        e_not_worse: the evidence that it is not worse than the margin.
        dispersion: what the logarithms of both were divided by, because keys and moments differ.
        excess: how many more of the candidate's requests, between -1 and 1, had the event in this
            step, beyond what the plan forgives.
        obstacle: see `Obstacle`.
        keys_needed: of the candidate, before luck of the draw is out of question.
        seconds_left: until it is "not worse", if all goes on as it does; None if nobody can say.
    """

    signal: Signal
    word: Word
    obstacle: Obstacle
    stable: ArmFigures
    candidate: ArmFigures
    e_worse: float
    e_needed: float
    e_not_worse: float
    e_not_worse_needed: float
    dispersion: float
    excess: float
    keys_needed: int
    seconds_left: float | None


def judge(evidence: Evidence, share: float, at: float) -> list[SignalVerdict]:
    """Judge every signal, with all figures.

    Args:
        share: of the keys that the candidate has, between 0 and 1; 0 where every request is drawn
            by itself, or is a copy.
        at: seconds since the rollout began.
    """
    return [_verdict(evidence, signal, share, at) for signal in SIGNALS]


def words(evidence: Evidence, share: float, at: float) -> dict[Signal, Word]:
    """Return every signal's word alone, for the arguments of `judge`."""
    return {signal: _judge_signal(evidence, signal, share, at).word for signal in SIGNALS}


@dataclass(frozen=True, slots=True)
class _Judgement:
    word: Word
    obstacle: Obstacle
    spread: float
    log_worse: float
    log_not_worse: float


def _judge_signal(evidence: Evidence, signal: Signal, share: float, at: float) -> _Judgement:
    policy, seen = evidence.policy, evidence.signals[signal]
    spread = seen.dispersion
    log_worse, log_not_worse = seen.worse.log_e(spread), seen.log_e_not_worse(spread)
    word, obstacle = _word(policy, signal, seen, share, at, log_worse, log_not_worse)
    if word in ("inconclusive", "not measured") and signal in DURATIONS and evidence.warming_up(at):
        word, obstacle = "inconclusive", "warm-up"
    return _Judgement(word, obstacle, spread, log_worse, log_not_worse)


def _verdict(evidence: Evidence, signal: Signal, share: float, at: float) -> SignalVerdict:
    policy, judged = evidence.policy, _judge_signal(evidence, signal, share, at)
    threshold = policy.rollback_threshold(signal)
    lucky = keys_of_luck(share, threshold) if 0 < share < 1 and threshold < math.inf else 0
    left: float | None = None
    if judged.word == "inconclusive":
        left = _seconds_left(evidence, signal, judged.spread, at)
    return SignalVerdict(
        signal=signal,
        word=judged.word,
        obstacle=judged.obstacle,
        stable=_figures(evidence, signal, "stable"),
        candidate=_figures(evidence, signal, "candidate"),
        e_worse=_exp(judged.log_worse),
        e_needed=_exp(threshold),
        e_not_worse=_exp(judged.log_not_worse),
        e_not_worse_needed=_exp(policy.advance_threshold),
        dispersion=judged.spread,
        excess=evidence.signals[signal].excess.rate,
        keys_needed=lucky + 1,
        seconds_left=left,
    )


def _word(
    policy: Policy,
    signal: Signal,
    seen: SignalEvidence,
    share: float,
    at: float,
    log_worse: float,
    log_not_worse: float,
) -> tuple[Word, Obstacle]:
    """Return the verdict, and what stands in its way. "Worse" comes first."""
    if all_struck(seen.keys["stable"], seen.keys["candidate"]) and signal not in DURATIONS:
        return "worse", ""
    enough = seen.canary.trials >= policy.min_requests
    obstacle: Obstacle = ""
    if log_worse >= policy.rollback_threshold(signal):
        obstacle = _obstacle(policy, signal, seen, share, at)
        if not obstacle and enough:
            return "worse", ""
    if signal == "no_tool_call" and seen.control + seen.canary == _always(seen):
        return "not measured", ""  # no response of either stack calls a tool
    if not (seen.control.trials and seen.canary.trials):
        return _one_arm(signal, seen)
    if not enough:
        return "inconclusive", "few requests"
    if log_not_worse >= policy.advance_threshold and obstacle in ("", "forgiven"):
        return "not worse", obstacle
    return "inconclusive", obstacle


def _always(seen: SignalEvidence) -> Counts:
    both = seen.control.trials + seen.canary.trials
    return Counts(both, both)


def _obstacle(
    policy: Policy, signal: Signal, seen: SignalEvidence, share: float, at: float
) -> Obstacle:
    """Return why a difference beyond doubt may be no fault of the candidate."""
    if signal in DURATIONS and seen.excess.events <= 0:
        return "forgiven"
    stable, candidate = seen.keys["stable"], seen.keys["candidate"]
    threshold = policy.rollback_threshold(signal)
    if not (
        is_broad(stable, candidate, share, threshold)
        or worse_than_their_past(stable, candidate, threshold)
    ):
        return "few keys"
    if seen.moments is not None:
        seconds = 0.0 if seen.first_at is None else at - seen.first_at
        if not stands_without_spells(seen.moments.newest_first(), seconds, seen.dispersion):
            return "spells"
    return ""


def _one_arm(signal: Signal, seen: SignalEvidence) -> tuple[Word, Obstacle]:
    """Return what one arm alone says: nothing, and that much is held if it is more than chance."""
    if signal in ("failed", "rejected", "refused", "abandoned"):
        return "inconclusive", "few requests"
    if seen.canary.trials >= MIN_MEASURED or seen.control.trials >= MIN_MEASURED:
        return "inconclusive", "one arm"
    return "not measured", ""


def _figures(evidence: Evidence, signal: Signal, arm: Arm) -> ArmFigures:
    seen = evidence.signals[signal]
    counts: Counts = seen.control if arm == "stable" else seen.canary
    ledger = seen.keys[arm]
    interval = rate_interval(counts, dispersion=rate_dispersion(ledger.sums))
    p95: float | None = None
    if signal in DURATIONS:
        bucket = evidence.pooled(arm, signal).bucket_at(QUANTILE)
        p95 = None if bucket is None else upper_edge(bucket)
    return ArmFigures(
        requests=counts.trials,
        events=counts.events,
        rate=counts.rate,
        low=interval.low,
        high=interval.high,
        p95=p95,
        keys=ledger.struck,
        worst=tuple(KeyFigures(key, *ledger.totals[key]) for key in ledger.worst),
    )


def _seconds_left(evidence: Evidence, signal: Signal, spread: float, at: float) -> float | None:
    seen = evidence.signals[signal]
    if seen.step_at is None:
        return None
    return seconds_until_not_worse(seen, evidence.policy, spread, at - seen.step_at)


def _exp(logarithm: float) -> float:
    return math.exp(min(logarithm, 700.0))
