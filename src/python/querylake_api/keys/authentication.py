"""From the headers of a request to the key that it may act with."""

# compiled: runs for each request.

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from querylake_api.keys.errors import (
    expired_key,
    missing_key,
    missing_scope,
    unknown_key,
    unverifiable_key,
)
from querylake_api.keys.models import ApiKey, Scope
from querylake_api.keys.ring import KeyRing
from querylake_api.persistence.errors import DatabaseUnavailable

RawHeaders = Iterable[tuple[bytes, bytes]]

MAX_KEY_LENGTH: Final = 512
"""Characters of a value that is taken for a key. Ours have 51, and other systems' have fewer than
this; whoever sends more gets 401 before it is hashed, which costs time in proportion."""


class Authenticator:
    """Decides who a request comes from. The key's text is never kept, logged or repeated."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    async def authenticate(self, headers: RawHeaders, scope: Scope) -> ApiKey:
        """Return the key of a request, if it is valid now and has the scope.

        Raises:
            ApiError: 401 without a valid key, 403 without the scope, 503 if the key is not known
                here and the database is away.
        """
        secret = presented_key(headers)
        if secret is None:
            raise missing_key()
        if len(secret) > MAX_KEY_LENGTH:
            raise unknown_key()
        key = self._ring.find(secret)
        if key is None:
            key = await self._look_up(secret)
        if key.expires_at is not None and key.expires_at <= datetime.now(UTC):
            raise expired_key(key.expires_at)
        if scope not in key.scopes:
            raise missing_scope(scope)
        return key

    async def _look_up(self, secret: str) -> ApiKey:
        try:
            key = await self._ring.look_up(secret)
        except DatabaseUnavailable:
            raise unverifiable_key() from None
        if key is None:
            raise unknown_key()
        return key


def presented_key(headers: RawHeaders) -> str | None:
    """Return the key in `Authorization: Bearer`, else the one in `x-api-key`, else None."""
    named = dict(headers)
    scheme, _, credentials = named.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"bearer" or not credentials.strip():
        credentials = named.get(b"x-api-key", b"")
    return credentials.strip().decode("latin-1") or None
