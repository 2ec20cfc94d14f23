"""Keys for what is tested without a database."""

from __future__ import annotations

from datetime import UTC, datetime

from querylake_api.keys.limits import Limits
from querylake_api.keys.models import ApiKey, Scope


def valid_key(key_id: str, limits: Limits | None = None) -> ApiKey:
    """Return a key that may use every model and never ends."""
    return ApiKey(
        id=key_id,
        name=key_id,
        hint="",
        scopes=frozenset({Scope.INFERENCE}),
        models=None,
        created_at=datetime.now(UTC),
        expires_at=None,
        revoked_at=None,
        limits=limits or Limits(),
    )
