"""The models that clients can name, and where each of them is served."""

# compiled: runs for each request.

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from querylake_api.inference.errors import (
    capability_missing,
    model_not_allowed,
    model_not_found,
)
from querylake_api.inference.gate import GateLimits
from querylake_api.keys.models import ApiKey
from querylake_api.settings import Capability, ModelSettings, Role
from querylake_api.upstreams.registry import Upstreams
from querylake_api.upstreams.upstream import Upstream


@dataclass(frozen=True, slots=True)
class Target:
    """A place where a model is served.

    Attributes:
        model: the model's name there.
        stack: which of the two stacks the engine belongs to.
    """

    engine: Upstream
    model: str
    stack: Role

    @property
    def upstream(self) -> str:
        """The operator's name of the engine."""
        return self.engine.name


@dataclass(frozen=True, slots=True)
class Model:
    """A model as clients know it.

    Attributes:
        gate: how many requests each of its stacks takes at once; None for any number.
        deadline_seconds: until there is something to answer; None for no deadline.
        prefix_balanced: whether the turns of a conversation go to the same replica.
    """

    id: str
    aliases: tuple[str, ...]
    capabilities: frozenset[Capability]
    stable: tuple[Target, ...]
    candidates: tuple[Target, ...]
    gate: GateLimits | None = None
    deadline_seconds: float | None = None
    prefix_balanced: bool = False

    @classmethod
    def configured(cls, name: str, settings: ModelSettings, upstreams: Upstreams) -> Model:
        """Return the model that a section of the configuration describes."""
        targets = [
            Target(upstreams[target.upstream], target.model, target.role)
            for target in settings.targets
        ]
        stable = tuple(target for target in targets if target.stack == "stable")
        candidates = tuple(target for target in targets if target.stack == "candidate")
        several = max(len(stable), len(candidates)) > 1
        return cls(
            id=name,
            aliases=tuple(settings.aliases),
            capabilities=frozenset(settings.capabilities),
            stable=stable,
            candidates=candidates,
            gate=_gate_limits(settings),
            deadline_seconds=settings.deadline_seconds,
            prefix_balanced=several and settings.balancing == "prefix",
        )


class Catalog:
    """Every configured model, found by id or alias."""

    def __init__(self, models: Iterable[Model]) -> None:
        self.models = tuple(models)
        self._by_name = {
            name: model for model in self.models for name in (model.id, *model.aliases)
        }

    def find(self, name: str, key: ApiKey) -> Model:
        """Return the model that a key may use under a name.

        Raises:
            ApiError: 404 if nothing has that name, 403 if the key's allow-list lacks it.
        """
        model = self._by_name.get(name)
        if model is None:
            raise model_not_found(name, self.names_for(key))
        if not key.may_use(model.id):
            raise model_not_allowed(name)
        return model

    def find_for(self, name: str, key: ApiKey, capability: Capability) -> Model:
        """Return the model, if it has the capability that an endpoint needs.

        Raises:
            ApiError: as `find`, and 400 for a model without the capability.
        """
        model = self.find(name, key)
        if capability not in model.capabilities:
            able = [other.id for other in self.usable_by(key) if capability in other.capabilities]
            raise capability_missing(name, capability, model.capabilities, able)
        return model

    def usable_by(self, key: ApiKey) -> list[Model]:
        """Return the models that a key may use, in the order of the configuration."""
        return [model for model in self.models if key.may_use(model.id)]

    def names_for(self, key: ApiKey) -> list[str]:
        """Return every id and alias that a key may use."""
        return [name for model in self.usable_by(key) for name in (model.id, *model.aliases)]


def _gate_limits(settings: ModelSettings) -> GateLimits | None:
    if settings.max_concurrency is None:
        return None
    return GateLimits(
        concurrency=settings.max_concurrency,
        queue=settings.max_queue,
        seconds=settings.queue_timeout_seconds,
    )
