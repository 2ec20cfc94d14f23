"""From verdicts, alarms and time to what happens next. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from querylake_api.rollouts.judging.sentences import not_measured, reason
from querylake_api.rollouts.records.lifecycle import Course, Status
from querylake_api.rollouts.records.plan import RolloutPlan
from rollout_statistics.decision import course as course_of
from rollout_statistics.verdict import SignalVerdict, Word

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
    follows = course_of([verdict.word for verdict in verdicts])
    if follows == "rollback":
        return Decision("rollback", _said(plan, verdicts, "worse"))
    if course.status is Status.PAUSED:
        return Decision("hold", "paused by an operator")
    if blind_spots:
        return Decision("hold", f"inconclusive: {'; '.join(blind_spots)}")
    if follows == "hold":
        open_ = _said(plan, verdicts, "inconclusive") or "nothing was measured yet"
        return Decision("hold", f"inconclusive: {open_}")
    left = plan.steps[course.step].bake_seconds - baked_seconds
    if left > 0:
        return Decision("hold", f"as good as the stable stack so far; {left:.0f} s left to bake")
    parts = [_said(plan, verdicts, "not worse"), not_measured(verdicts)]
    summary = "; ".join(part for part in parts if part)
    if course.step + 1 < len(plan.steps):
        following = plan.steps[course.step + 1].percent
        return Decision("advance", f"{summary}. The candidate's share becomes {following:g}%")
    return Decision("finish", summary)


def _said(plan: RolloutPlan, verdicts: Sequence[SignalVerdict], word: Word) -> str:
    policy = plan.judging.policy()
    return "; ".join(reason(policy, verdict) for verdict in verdicts if verdict.word == word)
