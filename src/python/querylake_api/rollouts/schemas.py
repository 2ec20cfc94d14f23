"""Rollouts as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from querylake_api.persistence.text import without_nul
from querylake_api.rollouts.records.event_view import EventView
from querylake_api.rollouts.records.lifecycle import Action, Status, allowed
from querylake_api.rollouts.records.plan import RolloutPlan
from querylake_api.rollouts.records.repository import Rollout

Reason = Annotated[str, Field(max_length=1000), AfterValidator(without_nul)]


class Reasoned(BaseModel):
    """Why something is done; kept with the event."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: Reason = ""


class Promotion(Reasoned):
    """A promotion.

    Attributes:
        override_by: who answers for it if the conditions do not hold.
        override_reason: why it is done all the same.
    """

    override_by: (
        Annotated[str, Field(min_length=1, max_length=100), AfterValidator(without_nul)] | None
    ) = None
    override_reason: (
        Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(without_nul)] | None
    ) = None

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.override_by is None) != (self.override_reason is None):
            raise ValueError("an override needs both `override_by` and `override_reason`")
        return self

    @property
    def override(self) -> tuple[str, str] | None:
        """Return who and why, if anybody."""
        if self.override_by is None or self.override_reason is None:
            return None
        return self.override_by, self.override_reason


class RolloutView(BaseModel):
    """A rollout.

    Attributes:
        step: from 1; the step that it is at.
        percent: of the traffic that the candidate has now.
        allowed: what can be done with it.
        judgement: both arms side by side, with intervals, and what follows from them.
    """

    object: Literal["rollout"] = "rollout"
    id: str
    model: str
    candidates: list[str]
    status: Status
    step: int
    steps: int
    percent: float
    baked_seconds: float
    bake_seconds: float
    allowed: list[Action]
    plan: RolloutPlan
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    created_by: str
    judgement: Mapping[str, Any] | None

    @classmethod
    def of(cls, rollout: Rollout) -> RolloutView:
        """Return the view of a rollout."""
        course = rollout.course
        step = rollout.plan.steps[course.step]
        live_percent = step.percent if course.status.live else 0.0
        return cls(
            id=rollout.id,
            model=rollout.model,
            candidates=list(rollout.candidates),
            status=course.status,
            step=course.step + 1,
            steps=len(rollout.plan.steps),
            percent=100.0 if course.status is Status.PROMOTED else live_percent,
            baked_seconds=round(min(rollout.baked_seconds, step.bake_seconds), 1),
            bake_seconds=step.bake_seconds,
            allowed=[
                action
                for action in allowed(course, len(rollout.plan.steps))
                if action is not Action.ADVANCE
            ],
            plan=rollout.plan,
            created_at=rollout.created_at,
            started_at=rollout.started_at,
            ended_at=rollout.ended_at,
            created_by=rollout.created_by,
            judgement=rollout.judgement,
        )


class RolloutList(BaseModel):
    """Rollouts, newest first."""

    object: Literal["list"] = "list"
    data: list[RolloutView]


class EventList(BaseModel):
    """Events, oldest first."""

    object: Literal["list"] = "list"
    data: list[EventView]


class RolledBack(BaseModel):
    """The answer to a rollback.

    Attributes:
        recorded: whether the database has it. If not, this machine's workers follow it all the
            same, and it is written as soon as the database answers.
    """

    id: str
    status: str
    recorded: bool
