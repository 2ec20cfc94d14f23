"""The state of everything as the console shows it, as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from querylake_api.console.attention import Attention
from querylake_api.health.probe import DependencyState
from querylake_api.health.service import Status as Readiness
from querylake_api.keys.models import Scope
from querylake_api.rollouts.records.lifecycle import Status as RolloutStatus
from querylake_api.settings import Capability, Role
from querylake_api.upstreams.schemas import UpstreamView


class EngineView(UpstreamView):
    """An engine, with what it says that it is.

    Attributes:
        kind: `vllm`, `cpu_runtime`, `ray`, or its own word; null if it does not say.
        version: null if it does not say.
    """

    kind: str | None
    version: str | None


class TargetView(BaseModel):
    """A place where a model is served.

    Attributes:
        model: the model's name there.
        planned_share: of the model's requests, by configuration and rollout; from 0 to 1.
        share: what the last minutes have shown; null without requests.
        requests: how many those were.
    """

    upstream: str
    model: str
    stack: Role
    serves: bool
    planned_share: float
    share: float | None
    requests: int


class RolloutSummary(BaseModel):
    """The last rollout of a model."""

    id: str
    title: str
    status: RolloutStatus
    percent: float


class ModelView(BaseModel):
    """A model, with its targets and the shares of the traffic that they get."""

    id: str
    aliases: list[str]
    capabilities: list[Capability]
    targets: list[TargetView]
    rollout: RolloutSummary | None


class Overview(BaseModel):
    """Everything that the first page of the console shows.

    Attributes:
        columns: what the numbers of a row in `minutes` are; see `observability.history.Minute`.
        minutes: whole minutes, oldest first, from `since` on.
        minute: the one under way.
    """

    object: Literal["overview"] = "overview"
    version: str
    generated_at: datetime
    started_at: int
    generation: int
    readiness: Readiness
    database: DependencyState
    attention: list[Attention]
    engines: list[EngineView]
    models: list[ModelView]
    columns: list[str]
    minute: list[float | None]
    minutes: list[list[float | None]] = []


class GateState(BaseModel):
    """What `rollouts.gates_command` said.

    Attributes:
        configured: whether there is such a command.
        holds: whether a promotion is allowed.
        refusal: why not.
        document: its whole output, if it was JSON.
        checked_at: when the command ended.
    """

    configured: bool
    command: list[str]
    holds: bool
    refusal: str | None
    document: Any
    checked_at: datetime


class Session(BaseModel):
    """What the key of whoever looks can do. Never holds the key."""

    id: str
    name: str
    hint: str
    scopes: list[Scope]
    models: list[str] | None
    expires_at: datetime | None
