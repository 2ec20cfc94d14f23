"""What the evidence says: per signal, and of the step as a whole. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from querylake_api.rollouts.judging.evidence import QUANTILE, Evidence, SignalEvidence
from rollout_statistics.key_spread import KeySums, dispersion, lucky_keys, stands_without_worst
from rollout_statistics.policy import SIGNALS, Policy, Signal
from rollout_statistics.rate_interval import rate_interval
from rollout_statistics.running_quantile import upper_edge

Word = Literal["worse", "not worse", "inconclusive", "not measured"]

NAMES: dict[Signal, str] = {
    "errors": "failed requests",
    "first_token": "slow first tokens",
    "gaps": "slow pauses between tokens",
}


WORST_SHOWN = 3


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
        low: end of the 95% interval of the rate, good at all times.
        p95: seconds, over the whole rollout; None for errors, or without data.
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
        dispersion: what both were divided by because keys differ.
        excess: how many more of the candidate's requests, between -1 and 1, are beyond what the
            plan forgives than of the stable stack's are slow, or failed; over the whole rollout.
            The candidate is worse only if it is above 0, too.
        reason: one sentence.
    """

    signal: Signal
    word: Word
    reason: str
    stable: ArmFigures
    candidate: ArmFigures
    e_worse: float
    e_needed: float
    e_not_worse: float
    e_not_worse_needed: float
    dispersion: float
    excess: float


def judge(evidence: Evidence, share: float) -> list[SignalVerdict]:
    """Judge every signal.

    Args:
        share: of the keys that the candidate has, between 0 and 1; 0 where every request is drawn
            by itself, or is a copy.
    """
    return [_judge_signal(evidence, signal, share) for signal in SIGNALS]


def _judge_signal(evidence: Evidence, signal: Signal, share: float) -> SignalVerdict:
    policy = evidence.policy
    seen = evidence.signals[signal]
    control_keys = KeySums.of(seen.keys["stable"].values())
    spread = dispersion(control_keys, KeySums.of(seen.keys["candidate"].values()))
    log_worse, log_not_worse = seen.worse.log_e(spread), seen.log_e_not_worse(spread)
    significant = log_worse >= policy.rollback_threshold(signal)
    forgiven = significant and signal != "errors" and seen.excess.events <= 0
    harmful = significant and not forgiven
    word = _word(
        policy,
        signal,
        seen,
        worse=harmful and _broad(policy, signal, seen, control_keys.rate, share),
        within_margin=log_not_worse >= policy.advance_threshold,
    )
    stable = _figures(evidence, signal, seen, candidate=False)
    candidate = _figures(evidence, signal, seen, candidate=True)
    return SignalVerdict(
        signal=signal,
        word=word,
        reason=_reason(policy, signal, word, stable, candidate, forgiven=forgiven),
        stable=stable,
        candidate=candidate,
        e_worse=_exp(log_worse),
        e_needed=_exp(policy.rollback_threshold(signal)),
        e_not_worse=_exp(log_not_worse),
        e_not_worse_needed=_exp(policy.advance_threshold),
        dispersion=spread,
        excess=seen.excess.rate,
    )


def _word(
    policy: Policy, signal: Signal, seen: SignalEvidence, *, worse: bool, within_margin: bool
) -> Word:
    if seen.canary.trials < policy.min_requests:
        if signal != "errors" and seen.control.trials == 0:
            return "not measured"
        return "inconclusive"
    if within_margin:
        return "not worse"
    return "worse" if worse else "inconclusive"


def _broad(policy: Policy, signal: Signal, seen: SignalEvidence, rate: float, share: float) -> bool:
    """Return whether the verdict stands without the keys that luck may have put there."""
    if not 0 < share < 1 or not seen.keys["candidate"]:
        return True
    worst = lucky_keys(share, policy.alphas[signal])
    return stands_without_worst(rate, seen.keys["candidate"].values(), worst)


def _figures(
    evidence: Evidence, signal: Signal, seen: SignalEvidence, *, candidate: bool
) -> ArmFigures:
    counts = seen.canary if candidate else seen.control
    interval = rate_interval(counts)
    p95: float | None = None
    if signal != "errors":
        bucket = evidence.pooled("candidate" if candidate else "stable", signal).bucket_at(QUANTILE)
        p95 = None if bucket is None else upper_edge(bucket)
    keys = seen.keys["candidate" if candidate else "stable"]
    struck = [
        KeyFigures(key, seen.trials, seen.events) for key, seen in keys.items() if seen.events
    ]
    struck.sort(key=lambda each: (-each.events, each.key))
    return ArmFigures(
        requests=counts.trials,
        events=counts.events,
        rate=counts.rate,
        low=interval.low,
        high=interval.high,
        p95=p95,
        keys=len(struck),
        worst=tuple(struck[:WORST_SHOWN]),
    )


def _reason(
    policy: Policy,
    signal: Signal,
    word: Word,
    stable: ArmFigures,
    candidate: ArmFigures,
    *,
    forgiven: bool,
) -> str:
    what = NAMES[signal]
    if word == "not measured":
        return f"{what}: nothing was streamed long enough to measure them"
    figures = (
        f"{what}: {candidate.rate:.2%} of {candidate.requests:,} on the candidate, "
        f"{stable.rate:.2%} of {stable.requests:,} on the stable stack"
    )
    if word == "worse":
        return f"{figures}: the candidate is {_harm(policy, signal)}"
    if candidate.requests < policy.min_requests:
        return f"{figures}: too few requests to say anything; {policy.min_requests} are needed"
    slower = f"the candidate is slower, but by no more than the plan allows: {_allowed(policy)}"
    if word == "not worse":
        fine = "the candidate is not worse by more than the margin"
        return f"{figures}: {slower if forgiven else fine}"
    return f"{figures}: {f'{slower}; ' if forgiven else ''}not decided yet"


def _harm(policy: Policy, signal: Signal) -> str:
    return "worse" if signal == "errors" else f"slower than the plan allows: {_allowed(policy)}"


def _allowed(policy: Policy) -> str:
    return f"{policy.latency_ratio:g} times"


def _exp(logarithm: float) -> float:
    return math.exp(min(logarithm, 700.0))
