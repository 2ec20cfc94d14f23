"""The model list as JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from querylake_api.inference.catalog import Model
from querylake_api.settings import Capability


class ModelView(BaseModel):
    """A name that can be put in a request's `model`.

    Attributes:
        created: Unix seconds; when this server started, since engines do not say.
        root: the id of the model that the name stands for; an alias has another than its own.
    """

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["querylake"] = "querylake"
    root: str
    capabilities: list[Capability]

    @classmethod
    def of(cls, name: str, model: Model, created: int) -> ModelView:
        """Return the view of a model under one of its names."""
        return cls(id=name, created=created, root=model.id, capabilities=sorted(model.capabilities))


class ModelList(BaseModel):
    """Every name that a key may use."""

    object: Literal["list"] = "list"
    data: list[ModelView]


class SentField(BaseModel):
    """A field that requests of a model have sent on a route.

    Attributes:
        field: its name; `(other)` sums up names beyond those that are told apart.
        requests: how many, since the counters of this machine began.
    """

    route: str
    model: str
    field: str
    requests: int


class SentFields(BaseModel):
    """Which request fields callers of this machine send."""

    fields: list[SentField]
