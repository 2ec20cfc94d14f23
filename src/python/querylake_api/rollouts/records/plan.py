"""What a rollout shall do, as an operator writes it."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, HttpUrl, model_validator

from querylake_api.parity.plan import ParityPlan
from querylake_api.persistence.text import StorableText, without_nul
from rollout_statistics.policy import DEFAULT_WEIGHTS, Policy
from rollout_statistics.signals import Signal

Percent = Annotated[float, Field(ge=0, lt=100)]


class Step(BaseModel):
    """A share of the traffic, and how long it is held at least.

    Attributes:
        percent: of the keys that go to the candidate.
        shadow_percent: of the stable requests that are copied to the candidate, whose answers are
            thrown away and judged all the same.
        bake_seconds: before the next step, however good it looks.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    percent: Percent
    shadow_percent: Annotated[float, Field(ge=0, le=100)] = 0
    bake_seconds: Annotated[float, Field(ge=0, le=30 * 86_400)] = 600

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not (self.percent or self.shadow_percent):
            raise ValueError("a step needs `percent` or `shadow_percent` above 0")
        return self


class Judging(BaseModel):
    """When the candidate is worse, and when it is good enough; see `rollout_statistics.policy`.

    Attributes:
        warmup_seconds: from the candidate's first request on, in which its durations do not count:
            caches are cold, kernels are compiled. Failures do count.
        weights: how the budget of false alarms (1% a rollout) is shared between the signals; what
            is not named keeps its usual weight, and 0 takes a signal out.
        max_connect_failures: attempts in a row that do not even connect, then it is rolled back.
        stall_seconds: the same for an engine that has requests and makes no token for so long;
            None takes it from what the stable stack shows, see `triggers.STALL_SECONDS`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    error_margin: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    latency_ratio: Annotated[float, Field(ge=1, le=10)] = 1.25
    min_requests: Annotated[int, Field(ge=1)] = 50
    warmup_seconds: Annotated[float, Field(ge=0, le=86_400)] = 300
    weights: dict[Signal, Annotated[float, Field(ge=0, le=1000)]] = {}
    max_connect_failures: Annotated[int, Field(ge=1)] = 5
    stall_seconds: Annotated[float, Field(gt=0)] | None = None

    def policy(self) -> Policy:
        """Return the statistics' view of it."""
        return Policy(
            error_margin=self.error_margin,
            latency_ratio=self.latency_ratio,
            min_requests=self.min_requests,
            warmup_seconds=self.warmup_seconds,
            weights={**DEFAULT_WEIGHTS, **self.weights},
        )


def _at_least_one(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    # pydantic's own `min_length` does not count a wrong step, and complains twice of it.
    if not steps:
        raise ValueError("a rollout needs a step")
    return steps


class RolloutPlan(BaseModel):
    """A rollout before it runs; nothing of it changes later.

    Attributes:
        model: its id or an alias.
        title: what tells it from other rollouts of the model, for people.
        steps: in order, each with a larger share than the one before.
        allow: ids of keys that always get the candidate.
        deny: ids of keys that never do; the deny list is looked at first.
        sticky: whether a key keeps its stack. Otherwise each request is drawn by itself, which
            is right where very few keys send everything.
        auto_promote: whether it is promoted by itself after the last step.
        allow_embeddings: consent to a rollout of an embedder, if the stacks' vectors agree.
        parity: whether pairs of answers are compared, and what follows; None for no pairs.
        watch_seconds: for how long the candidate is watched after its promotion. It goes back by
            itself on an alarm or clear errors; 0 watches nothing.
        webhooks: where every event is posted to.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "model": "qwen2.5-7b",
                    "steps": [
                        {"percent": 1, "bake_seconds": 600},
                        {"percent": 10, "bake_seconds": 1200},
                        {"percent": 50, "bake_seconds": 1800},
                    ],
                }
            ]
        },
    )

    model: Annotated[str, Field(min_length=1), AfterValidator(without_nul)]
    title: Annotated[str, Field(max_length=100), AfterValidator(without_nul)] = ""
    steps: Annotated[
        tuple[Step, ...],
        Field(max_length=20, json_schema_extra={"minItems": 1}),
        AfterValidator(_at_least_one),
    ] = (
        Step(percent=1, bake_seconds=600),
        Step(percent=10, bake_seconds=1200),
        Step(percent=50, bake_seconds=1800),
    )
    allow: frozenset[StorableText] = frozenset()
    deny: frozenset[StorableText] = frozenset()
    sticky: bool = True
    auto_promote: bool = True
    allow_embeddings: bool = False
    judging: Judging = Judging()
    parity: ParityPlan | None = None
    watch_seconds: Annotated[float, Field(ge=0, le=7 * 86_400)] = 3600
    webhooks: Annotated[tuple[HttpUrl, ...], Field(max_length=5)] = ()

    @model_validator(mode="after")
    def _shares_grow(self) -> Self:
        shares = [step.percent for step in self.steps]
        if shares != sorted(shares):
            raise ValueError("the steps' percent must not shrink; going back is a rollback")
        return self
