"""What can be done with keys, whoever asks: the admin routes or the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from querylake_api.errors import ApiError
from querylake_api.keys.errors import (
    ImportRefused,
    key_is_revoked,
    key_not_found,
    unknown_models,
)
from querylake_api.keys.importing import ImportedKey, ImportOutcome
from querylake_api.keys.limits import LIMIT_NAMES
from querylake_api.keys.models import ApiKey
from querylake_api.keys.repository import KeyRepository
from querylake_api.keys.ring import KeyRing
from querylake_api.keys.schemas import KeyChange, KeyRequest
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
    """Creates, lists, changes, imports and revokes keys.

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
            expires_at=None if days is None else _in_days(days),
            revoked_at=None,
            limits=request.limits,
        )
        await self._repository.add(key, hash_key(secret))
        await self._changed()
        return NewKey(key, secret)

    async def get(self, key_id: str) -> ApiKey:
        """Return a key, revoked or not.

        Raises:
            ApiError: there is no such key.
        """
        key = await self._repository.get(key_id)
        if key is None:
            raise key_not_found(key_id)
        return key

    async def change(self, key_id: str, change: KeyChange) -> ApiKey:
        """Make some things of a key different.

        Raises:
            ApiError: there is no such key, it is revoked, or the allow-list names unknown models.
        """
        old = await self.get(key_id)
        new = replace(old, **self._changed_fields(old, change))
        if old.revoked_at is not None or not await self._repository.change(old, new):
            raise key_is_revoked(key_id)
        await self._changed()
        return new

    async def import_keys(self, rows: Sequence[ImportedKey], *, dry_run: bool) -> ImportOutcome:
        """Store keys that exist elsewhere; those that are here already stay as they are.

        Args:
            dry_run: only say what would be stored.

        Raises:
            ImportRefused: some allow-lists name unknown models; nothing was stored.
        """
        problems = []
        keys: dict[str, ApiKey] = {}
        now = datetime.now(UTC)
        for row in rows:
            try:
                models = self._allow_list(row.request.models)
            except ApiError as error:
                problems.append(f"line {row.line}: models: {error.message}")
                continue
            keys[row.hashed] = row.key(generate_id(), models, now)
        if problems:
            raise ImportRefused(problems)
        if dry_run:
            added = keys.keys() - await self._repository.known(keys)
        else:
            added = await self._repository.add_missing(keys)
            await self._changed()
        return ImportOutcome(
            added=[row.line for row in rows if row.hashed in added],
            present=[row.line for row in rows if row.hashed not in added],
        )

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
        last = None if after is None else await self.get(after)
        return await self._repository.page(limit, last, revoked)

    async def revoke(self, key_id: str) -> ApiKey:
        """Take a key back for good. Doing it twice changes nothing.

        Raises:
            ApiError: there is no such key.
        """
        await self._repository.revoke(key_id, datetime.now(UTC))
        key = await self.get(key_id)
        await self._changed()
        return key

    def _changed_fields(self, old: ApiKey, change: KeyChange) -> dict[str, Any]:
        given = change.model_fields_set
        fields: dict[str, Any] = {}
        if "name" in given:
            fields["name"] = change.name
        if "scopes" in given:
            fields["scopes"] = frozenset(change.scopes)
        if "models" in given:
            fields["models"] = self._allow_list(change.models)
        if "expires_in_days" in given:
            days = change.expires_in_days
            fields["expires_at"] = None if days is None else _in_days(days)
        limits = {name: getattr(change, name) for name in LIMIT_NAMES if name in given}
        return {**fields, "limits": replace(old.limits, **limits)}

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


def _in_days(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)
