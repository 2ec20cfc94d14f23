"""Keys as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from querylake_api.keys.models import ApiKey, Scope

MAX_PAGE = 500
MAX_DAYS = 36_500


class KeyRequest(BaseModel):
    """What a new key shall be.

    Attributes:
        models: the ids or aliases of the models it may use; null means all, now and later.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [{"name": "search team", "scopes": ["inference"], "expires_in_days": 90}]
        },
    )

    name: Annotated[str, Field(min_length=1, max_length=100)]
    scopes: Annotated[list[Scope], Field(min_length=1)] = [Scope.INFERENCE]
    models: Annotated[list[str], Field(min_length=1)] | None = None
    expires_in_days: Annotated[float, Field(gt=0, le=MAX_DAYS)] | None = None


class KeyView(BaseModel):
    """A key as listings show it: everything but the key."""

    object: Literal["api_key"] = "api_key"
    id: str
    name: str
    hint: str
    scopes: list[Scope]
    models: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: ApiKey) -> KeyView:
        """Return the view of a key."""
        return cls.model_validate(_fields(key))


class CreatedKey(KeyView):
    """The answer to a creation, and the only one that holds the key itself."""

    key: str

    @classmethod
    def with_secret(cls, key: ApiKey, secret: str) -> CreatedKey:
        """Return the view of a key and its secret."""
        return cls.model_validate(_fields(key) | {"key": secret})


class KeyPage(BaseModel):
    """A page of keys; ask for the next one with `after` set to `last_id`."""

    object: Literal["list"] = "list"
    data: list[KeyView]
    has_more: bool
    last_id: str | None


def _fields(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "hint": key.hint,
        "scopes": sorted(key.scopes),
        "models": None if key.models is None else sorted(key.models),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
    }
