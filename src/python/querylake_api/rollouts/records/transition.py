"""Taking a rollout from one state to the next, with the event that says why, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from querylake_api.rollouts.records.errors import another_is_live, rollout_not_found
from querylake_api.rollouts.records.lifecycle import Action, Course, Status, after
from querylake_api.rollouts.records.repository import Event, Rollout, append, change, find

_PAST: dict[Action, str] = {
    Action.START: "started",
    Action.ADVANCE: "advanced",
    Action.PAUSE: "paused",
    Action.RESUME: "resumed",
    Action.PROMOTE: "promoted",
    Action.ROLLBACK: "rolled_back",
    Action.ABORT: "aborted",
}

_ENDED = frozenset({Status.PROMOTED, Status.ROLLED_BACK, Status.ABORTED})


async def transition(
    connection: AsyncConnection,
    rollout_id: str,
    action: Action,
    *,
    actor: str,
    reason: str,
    figures: Mapping[str, Any] | None = None,
) -> Rollout:
    """Do it, or change nothing.

    Args:
        figures: what the decision rests on, beside the last figures of both arms.

    Raises:
        ApiError: there is no such rollout, or it is in no state for that.
    """
    rollout = await find(connection, rollout_id, lock=True)
    if rollout is None:
        raise rollout_not_found(rollout_id)
    course = after(rollout.course, action, len(rollout.plan.steps))
    version = (await connection.execute(text("SELECT nextval('rollout_version')"))).scalar_one()
    values: dict[str, Any] = {
        "status": course.status.value,
        "step": course.step,
        "version": version,
    }
    if action is Action.START:
        # The order of starts decides which rollout is routed by, whatever the clock does.
        values["started_at"] = text(
            "greatest(clock_timestamp(), "
            "(SELECT max(started_at) + interval '1 microsecond' FROM rollouts))"
        )
    if action in (Action.START, Action.ADVANCE):
        values["baked_seconds"] = 0.0
    if course.status in _ENDED:
        values["ended_at"] = func.clock_timestamp()
    try:
        async with connection.begin_nested():
            await change(connection, rollout_id, **values)
    except IntegrityError:
        raise another_is_live(rollout.model) from None
    signals = {} if rollout.judgement is None else {"signals": rollout.judgement["signals"]}
    event = Event(
        kind=_PAST[action],
        actor=actor,
        sentence=_sentence(action, rollout, course, reason),
        figures={**signals, **(figures or {}), "version": version, "step": course.step},
    )
    await append(connection, rollout_id, event)
    changed = await find(connection, rollout_id)
    assert changed is not None
    return changed


def _sentence(action: Action, rollout: Rollout, course: Course, reason: str) -> str:
    share = rollout.plan.steps[course.step].percent
    said = {
        Action.START: f"Started: {share:g}% of the traffic goes to the candidate",
        Action.ADVANCE: f"Advanced to step {course.step + 1}: {share:g}% go to the candidate",
        Action.PAUSE: f"Paused at {share:g}%",
        Action.RESUME: f"Resumed at {share:g}%",
        Action.PROMOTE: "Promoted: everything goes to the candidate",
        Action.ROLLBACK: "Rolled back: everything goes to the stable stack",
        Action.ABORT: "Aborted: everything goes to the stable stack",
    }[action]
    return f"{said}. {as_sentence(reason)}" if reason else f"{said}."


def as_sentence(clause: str) -> str:
    """Return a clause with a capital and a full stop."""
    return f"{clause[:1].upper()}{clause[1:].rstrip('.')}." if clause else ""
