"""The models that clients can name, and where each of them is served."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from llm_provider.provider import LLMProvider
from querylake_api.inference.errors import (
    capability_missing,
    model_not_allowed,
    model_not_found,
)
from querylake_api.keys.models import ApiKey
from querylake_api.settings import Capability, ModelSettings, Role


@dataclass(frozen=True, slots=True)
class Target:
    """A place where a model is served.

    Attributes:
        upstream: the operator's name of the engine.
        model: the model's name there.
        stack: which of the two stacks the engine belongs to.
    """

    upstream: str
    model: str
    stack: Role
    provider: LLMProvider


@dataclass(frozen=True, slots=True)
class Model:
    """A model as clients know it."""

    id: str
    aliases: tuple[str, ...]
    capabilities: frozenset[Capability]
    stable: tuple[Target, ...]
    candidates: tuple[Target, ...]

    @classmethod
    def configured(
        cls, name: str, settings: ModelSettings, providers: Mapping[str, LLMProvider]
    ) -> Model:
        """Return the model that a section of the configuration describes."""
        targets = [
            Target(target.upstream, target.model, target.role, providers[target.upstream])
            for target in settings.targets
        ]
        return cls(
            id=name,
            aliases=tuple(settings.aliases),
            capabilities=frozenset(settings.capabilities),
            stable=tuple(target for target in targets if target.stack == "stable"),
            candidates=tuple(target for target in targets if target.stack == "candidate"),
        )

    def targets_of(self, stack: Role) -> tuple[Target, ...]:
        """Return the targets of a stack; those of `stable` where there are no candidates."""
        return self.candidates or self.stable if stack == "candidate" else self.stable


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
