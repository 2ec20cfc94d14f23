"""The verdict on a signal in one sentence, and what ends its indecision."""

from __future__ import annotations

from collections.abc import Sequence

from rollout_statistics.policy import Policy
from rollout_statistics.signals import DURATIONS, NAMES
from rollout_statistics.verdict import SignalVerdict


def reason(policy: Policy, verdict: SignalVerdict) -> str:
    """Return what a signal says, and why."""
    what = NAMES[verdict.signal]
    if verdict.word == "not measured":
        if verdict.signal == "no_tool_call" and verdict.candidate.requests:
            return f"{what}: no response of either stack called a tool, so none can lack one"
        return f"{what}: nothing to measure"
    stable, candidate = verdict.stable, verdict.candidate
    figures = (
        f"{what}: {candidate.rate:.2%} of {candidate.requests:,} on the candidate, "
        f"{stable.rate:.2%} of {stable.requests:,} on the stable stack"
    )
    if verdict.word == "worse":
        return f"{figures}: the candidate is {_harm(policy, verdict)}"
    slower = f"the candidate is slower, but by no more than the plan allows: {_allowed(policy)}"
    forgiven = verdict.obstacle == "forgiven"
    if verdict.word == "not worse":
        fine = "the candidate is not worse by more than the margin"
        return f"{figures}: {slower if forgiven else fine}"
    return f"{figures}: {slower if forgiven else _undecided(policy, verdict)}{_left(verdict)}"


def not_measured(verdicts: Sequence[SignalVerdict]) -> str:
    """Return the clause that names what a verdict does not rest on; empty if it rests on all."""
    names = [NAMES[verdict.signal] for verdict in verdicts if verdict.word == "not measured"]
    return f"not measured: {', '.join(names)}" if names else ""


def _undecided(policy: Policy, verdict: SignalVerdict) -> str:
    few = f"too few requests to say anything; {policy.min_requests} are needed"
    return {
        "": "not decided yet",
        "few requests": few,
        "few keys": (
            f"worse, but too few keys: {verdict.keys_needed} of them must be struck before luck of "
            'the draw is out of question. `"sticky": false` draws each request by itself'
        ),
        "spells": "worse at moments, which may be slow spells of this engine alone",
        "one arm": "measured on one stack only, so there is nothing to compare",
        "warm-up": f"not judged during the warm-up of {policy.warmup_seconds:g} s",
    }[verdict.obstacle]


def _left(verdict: SignalVerdict) -> str:
    seconds = verdict.seconds_left
    if seconds is None or verdict.obstacle in ("few keys", "spells", "one arm"):
        return ""
    return f"; about {duration(seconds)} at this rate"


def duration(seconds: float) -> str:
    """Return a duration in words, as roughly as it is known."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = seconds / 60
    if minutes < 90:
        return f"{round(minutes)} minutes"
    hours = minutes / 60
    return f"{round(hours)} hours" if hours < 48 else f"{round(hours / 24)} days"


def _harm(policy: Policy, verdict: SignalVerdict) -> str:
    if verdict.signal not in DURATIONS:
        return "worse"
    return f"slower than the plan allows: {_allowed(policy)}"


def _allowed(policy: Policy) -> str:
    return f"{policy.latency_ratio:g} times"
