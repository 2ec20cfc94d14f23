"""Keys as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from querylake_api.keys.limits import Limits
from querylake_api.keys.models import ApiKey, Scope
from querylake_api.persistence.text import without_nul
from querylake_api.requests.redaction import looks_like_key

MAX_PAGE = 500
MAX_DAYS = 36_500
MAX_LIMIT = 1_000_000_000


def _no_key(name: str) -> str:
    if looks_like_key(name):
        raise ValueError("is a key, and names are shown to others; write who or what it is for")
    return name


Name = Annotated[
    str,
    Field(min_length=1, max_length=100),
    AfterValidator(without_nul),
    AfterValidator(_no_key),
]
Scopes = Annotated[list[Scope], Field(min_length=1)]
Models = Annotated[list[str], Field(min_length=1)]
Days = Annotated[float, Field(gt=0, le=MAX_DAYS)]
Limit = Annotated[int, Field(ge=0, le=MAX_LIMIT)]


class KeyRequest(BaseModel):
    """What a new key shall be.

    Attributes:
        models: the ids or aliases of the models it may use; null means all, now and later.
        requests_per_minute, tokens_per_minute, concurrency: null means the default of the
            configuration, 0 means no limit.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "name": "search team",
                    "scopes": ["inference"],
                    "expires_in_days": 90,
                    "requests_per_minute": 600,
                }
            ]
        },
    )

    name: Name
    scopes: Scopes = [Scope.INFERENCE]
    models: Models | None = None
    expires_in_days: Days | None = None
    requests_per_minute: Limit | None = None
    tokens_per_minute: Limit | None = None
    concurrency: Limit | None = None

    @property
    def limits(self) -> Limits:
        """The limits together."""
        return Limits(self.requests_per_minute, self.tokens_per_minute, self.concurrency)


class KeyChange(BaseModel):
    """What shall be different of a key; what is left out stays.

    Attributes:
        models: null means all.
        expires_in_days: from now; null means never.
        requests_per_minute, tokens_per_minute, concurrency: null means the default of the
            configuration, 0 means no limit.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"requests_per_minute": 60, "concurrency": 4}]},
    )

    name: Name = ""
    scopes: Scopes = []
    models: Models | None = None
    expires_in_days: Days | None = None
    requests_per_minute: Limit | None = None
    tokens_per_minute: Limit | None = None
    concurrency: Limit | None = None


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
    requests_per_minute: int | None
    tokens_per_minute: int | None
    concurrency: int | None

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
        "requests_per_minute": key.limits.requests_per_minute,
        "tokens_per_minute": key.limits.tokens_per_minute,
        "concurrency": key.limits.concurrency,
    }
