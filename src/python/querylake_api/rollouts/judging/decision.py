"""From verdicts, alarms and time to what happens next. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from querylake_api.rollouts.judging.verdict import SignalVerdict
from querylake_api.rollouts.records.lifecycle import Course, Status
from querylake_api.rollouts.records.plan import RolloutPlan

Next = Literal["rollback", "advance", "finish", "hold"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, and why in plain words.

    `finish` means that the last step is over: promote, or wait for whoever does.
    """

    next: Next
    reason: str


def decide(
    plan: RolloutPlan,
    course: Course,
    *,
    baked_seconds: float,
    verdicts: Sequence[SignalVerdict],
    alarms: Sequence[str],
    blind_spots: Sequence[str],
) -> Decision:
    """Decide. Harm comes first, and what is not known holds."""
    if alarms:
        return Decision("rollback", "; ".join(alarms))
    worse = [verdict.reason for verdict in verdicts if verdict.word == "worse"]
    if worse:
        return Decision("rollback", "; ".join(worse))
    if course.status is Status.PAUSED:
        return Decision("hold", "paused by an operator")
    if blind_spots:
        return Decision("hold", f"inconclusive: {'; '.join(blind_spots)}")
    open_ = [verdict.reason for verdict in verdicts if verdict.word == "inconclusive"]
    if open_:
        return Decision("hold", f"inconclusive: {'; '.join(open_)}")
    left = plan.steps[course.step].bake_seconds - baked_seconds
    if left > 0:
        return Decision("hold", f"as good as the stable stack so far; {left:.0f} s left to bake")
    summary = "; ".join(v.reason for v in verdicts if v.word == "not worse")
    if course.step + 1 < len(plan.steps):
        following = plan.steps[course.step + 1].percent
        return Decision("advance", f"{summary}. The candidate's share becomes {following:g}%")
    return Decision("finish", summary)
