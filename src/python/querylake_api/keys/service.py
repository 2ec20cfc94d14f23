"""What can be done with keys, whoever asks: the admin routes or the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from querylake_api.keys.errors import key_not_found, unknown_models
from querylake_api.keys.models import ApiKey
from querylake_api.keys.repository import KeyRepository
from querylake_api.keys.ring import KeyRing
from querylake_api.keys.schemas import KeyRequest
from querylake_api.keys.secret import generate_id, generate_key, hash_key, hint
from querylake_api.settings import ModelSettings


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key at the only moment at which its secret exists outside its owner's hands."""

    key: ApiKey
    secret: str

    def __repr__(self) -> str:
        return f"NewKey(key={self.key!r})"


class KeyService:
    """Creates, lists and revokes keys.

    Args:
        models: the configured models, which allow-lists are checked against.
        ring: brought up to date at once after a change, where there is one in this process.
    """

    def __init__(
        self,
        repository: KeyRepository,
        models: Mapping[str, ModelSettings],
        ring: KeyRing | None = None,
    ) -> None:
        self._repository = repository
        self._ids = {name: name for name in models} | {
            alias: name for name, model in models.items() for alias in model.aliases
        }
        self._ring = ring

    async def create(self, request: KeyRequest) -> NewKey:
        """Make a key and store its hash.

        Raises:
            ApiError: the allow-list names unknown models.
            DatabaseUnavailable: nothing was stored.
        """
        secret = generate_key()
        now = datetime.now(UTC)
        days = request.expires_in_days
        key = ApiKey(
            id=generate_id(),
            name=request.name,
            hint=hint(secret),
            scopes=frozenset(request.scopes),
            models=self._allow_list(request.models),
            created_at=now,
            expires_at=None if days is None else now + timedelta(days=days),
            revoked_at=None,
        )
        await self._repository.add(key, hash_key(secret))
        await self._changed()
        return NewKey(key, secret)

    async def page(
        self, *, limit: int, after: str | None = None, revoked: bool = False
    ) -> list[ApiKey]:
        """Return keys, newest first.

        Args:
            limit: how many at most.
            after: the id of the last key of the previous page.
            revoked: whether to include revoked ones.

        Raises:
            ApiError: `after` names no key.
        """
        last = None if after is None else await self._get(after)
        return await self._repository.page(limit, last, revoked)

    async def revoke(self, key_id: str) -> ApiKey:
        """Take a key back for good. Doing it twice changes nothing.

        Raises:
            ApiError: there is no such key.
        """
        await self._repository.revoke(key_id, datetime.now(UTC))
        key = await self._get(key_id)
        await self._changed()
        return key

    async def _get(self, key_id: str) -> ApiKey:
        key = await self._repository.get(key_id)
        if key is None:
            raise key_not_found(key_id)
        return key

    def _allow_list(self, models: list[str] | None) -> frozenset[str] | None:
        """Return a list of ids and aliases as a set of ids."""
        if models is None:
            return None
        unknown = [name for name in models if name not in self._ids]
        if unknown:
            raise unknown_models(unknown, self._ids)
        return frozenset(self._ids[name] for name in models)

    async def _changed(self) -> None:
        if self._ring is not None:
            await self._ring.refresh()
