"""The states of a rollout, and what leads from one to another. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from querylake_api.rollouts.records.errors import not_allowed


class Status(StrEnum):
    """Where a rollout is in its life."""

    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    """The shares stay as they are; nothing advances. What harms still rolls back."""
    PROMOTED = "promoted"
    """The candidate has all of the traffic."""
    ROLLED_BACK = "rolled_back"
    ABORTED = "aborted"

    @property
    def live(self) -> bool:
        """Whether the traffic is split and judged."""
        return self in (Status.RUNNING, Status.PAUSED)


class Action(StrEnum):
    """What an operator or the controller can do with a rollout."""

    START = "start"
    ADVANCE = "advance"
    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    ABORT = "abort"


@dataclass(frozen=True, slots=True)
class Course:
    """A status and, while live, which step it is at; steps count from 0."""

    status: Status
    step: int = 0


_ALLOWED: dict[Action, dict[Status, Status]] = {
    Action.START: {Status.DRAFT: Status.RUNNING},
    Action.ADVANCE: {Status.RUNNING: Status.RUNNING},
    Action.PAUSE: {Status.RUNNING: Status.PAUSED},
    Action.RESUME: {Status.PAUSED: Status.RUNNING},
    Action.PROMOTE: {Status.RUNNING: Status.PROMOTED, Status.PAUSED: Status.PROMOTED},
    # The old stack is still warm after a promotion, so the way back stays open.
    Action.ROLLBACK: {
        Status.RUNNING: Status.ROLLED_BACK,
        Status.PAUSED: Status.ROLLED_BACK,
        Status.PROMOTED: Status.ROLLED_BACK,
    },
    Action.ABORT: {
        Status.DRAFT: Status.ABORTED,
        Status.RUNNING: Status.ABORTED,
        Status.PAUSED: Status.ABORTED,
    },
}


def after(course: Course, action: Action, steps: int) -> Course:
    """Return where an action leads.

    Args:
        steps: how many the rollout has.

    Raises:
        ApiError: 409, with what is allowed instead.
    """
    status = _ALLOWED[action].get(course.status)
    if status is None or (action is Action.ADVANCE and course.step + 1 >= steps):
        raise not_allowed(action, course.status, allowed(course, steps))
    step = course.step + 1 if action is Action.ADVANCE else course.step
    return Course(status, step)


def allowed(course: Course, steps: int) -> list[Action]:
    """Return what can be done."""
    return [
        action
        for action, ways in _ALLOWED.items()
        if course.status in ways and not (action is Action.ADVANCE and course.step + 1 >= steps)
    ]
