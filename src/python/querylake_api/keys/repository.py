"""The queries on keys."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, literal_column, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from querylake_api.keys.limits import Limits
from querylake_api.keys.models import KEY_GENERATION, ApiKey, ApiKeyRow, Scope
from querylake_api.persistence.database import Database
from querylake_api.persistence.lookout import spelt
from querylake_api.persistence.notices import KEYS

_COLUMNS = (
    ApiKeyRow.id,
    ApiKeyRow.name,
    ApiKeyRow.hint,
    ApiKeyRow.scopes,
    ApiKeyRow.models,
    ApiKeyRow.created_at,
    ApiKeyRow.expires_at,
    ApiKeyRow.revoked_at,
    ApiKeyRow.requests_per_minute,
    ApiKeyRow.tokens_per_minute,
    ApiKeyRow.concurrency,
)


_GENERATION = spelt(
    select(
        KEY_GENERATION.c.value,
        KEY_GENERATION.c.reread_from,
        literal_column("extract(epoch FROM pg_postmaster_start_time())::float8"),
    )
)

PAGE = 200
"""Keys read at a time: to make objects of so many takes some 10 ms, in which nothing else runs."""


@dataclass(frozen=True, slots=True)
class KeysVersion:
    """Which state the keys are in.

    Attributes:
        number: grows with every change of any key, from any process.
        reread_from: the last change that rows do not show, because it deleted some.
        server: the moment when this database server started. After a failover, or a restore, the
            numbers may have been given a second time.
    """

    number: int
    reread_from: int
    server: float

    def shows_all_since(self, earlier: KeysVersion) -> bool:
        """Return whether the rows changed since an earlier state are all that is different."""
        return (
            self.server == earlier.server
            and self.number >= earlier.number
            and self.reread_from <= earlier.number
        )


class KeyRepository:
    """Keys in PostgreSQL. Every method raises `DatabaseUnavailable` when it does not answer.

    Attributes:
        where: the database, for errors.
        changed: set when a key was changed, by any process; see `persistence.notices`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.where = database.where
        self.changed = database.notices.about(KEYS)

    async def version(self) -> KeysVersion:
        """Return which state the keys are in. What is read after that is at least as new."""
        [(number, reread_from, server)] = await self._database.lookout.glance(_GENERATION)
        return KeysVersion(number, reread_from, server)

    async def valid(self) -> dict[str, ApiKey]:
        """Return every key that is not revoked, by its hash."""
        keys: dict[str, ApiKey] = {}
        after = ""
        while page := await self.valid_page(after):
            keys.update(page)
            after = page[-1][1].id
        return keys

    async def valid_page(self, after: str) -> list[tuple[str, ApiKey]]:
        """Return some of the keys that are not revoked, with their hashes, in the order of ids.

        Args:
            after: the id of the last key of the previous page; empty for the first.
        """
        return await self._hashed(ApiKeyRow.revoked_at.is_(None), after)

    async def changed_page(self, since: int, after: str) -> list[tuple[str, ApiKey]]:
        """Return some of the keys that were changed, revoked ones too; otherwise as `valid_page`.

        Args:
            since: the number of the change after which this begins.
        """
        return await self._hashed(ApiKeyRow.changed_in > since, after)

    async def _hashed(self, condition: ColumnElement[bool], after: str) -> list[tuple[str, ApiKey]]:
        query = select(ApiKeyRow.hash, *_COLUMNS).where(condition, ApiKeyRow.id > after)
        async with self._database.begin() as connection:
            rows = await connection.execute(query.order_by(ApiKeyRow.id).limit(PAGE))
            return [(row[0], _api_key(tuple(row)[1:])) for row in rows]

    async def add(self, key: ApiKey, hashed: str) -> None:
        """Store a new key under the hash of its secret."""
        async with self._database.begin() as connection:
            await connection.execute(insert(ApiKeyRow).values(**_values(key), hash=hashed))

    async def add_missing(self, keys: Mapping[str, ApiKey]) -> set[str]:
        """Store those keys, given by their hashes, that are not there yet: all of them or none.

        Returns:
            The hashes of those that were added.
        """
        if not keys:
            return set()
        values = [{**_values(key), "hash": hashed} for hashed, key in keys.items()]
        query = insert(ApiKeyRow).on_conflict_do_nothing(index_elements=[ApiKeyRow.hash])
        async with self._database.begin() as connection:
            added = await connection.execute(query.returning(ApiKeyRow.hash), values)
            return set(added.scalars())

    async def known(self, hashes: Collection[str]) -> set[str]:
        """Return which hashes belong to a key, revoked or not."""
        query = select(ApiKeyRow.hash).where(ApiKeyRow.hash.in_(hashes))
        async with self._database.begin() as connection:
            return set((await connection.execute(query)).scalars())

    async def change(self, old: ApiKey, new: ApiKey) -> bool:
        """Store what is different. Returns whether there is such a key that is not revoked."""
        before, after = _values(old), _values(new)
        # Only that: somebody else may be changing something else.
        changes = {column: after[column] for column in after if after[column] != before[column]}
        query = update(ApiKeyRow).where(ApiKeyRow.id == old.id, ApiKeyRow.revoked_at.is_(None))
        async with self._database.begin() as connection:
            done = await connection.execute(query.values(**changes or {"id": old.id}))
            return done.rowcount == 1

    async def get(self, key_id: str) -> ApiKey | None:
        """Return a key, revoked or not."""
        query = select(*_COLUMNS).where(ApiKeyRow.id == key_id)
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _api_key(tuple(row))

    async def page(self, limit: int, after: ApiKey | None, revoked: bool) -> list[ApiKey]:
        """Return keys, newest first, that come after a given one."""
        newest_first = tuple_(ApiKeyRow.created_at, ApiKeyRow.id)
        query = select(*_COLUMNS).limit(limit)
        query = query.order_by(ApiKeyRow.created_at.desc(), ApiKeyRow.id.desc())
        if after is not None:
            query = query.where(newest_first < (after.created_at, after.id))
        if not revoked:
            query = query.where(ApiKeyRow.revoked_at.is_(None))
        async with self._database.begin() as connection:
            return [_api_key(tuple(row)) for row in await connection.execute(query)]

    async def revoke(self, key_id: str, at: datetime) -> None:
        """Mark a key as revoked, unless it is already."""
        query = (
            update(ApiKeyRow)
            .where(ApiKeyRow.id == key_id, ApiKeyRow.revoked_at.is_(None))
            .values(revoked_at=at)
        )
        async with self._database.begin() as connection:
            await connection.execute(query)


def _values(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "hint": key.hint,
        "scopes": sorted(key.scopes),
        "models": None if key.models is None else sorted(key.models),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "requests_per_minute": key.limits.requests_per_minute,
        "tokens_per_minute": key.limits.tokens_per_minute,
        "concurrency": key.limits.concurrency,
    }


def _api_key(columns: Sequence[Any]) -> ApiKey:
    key_id, name, hint, scopes, models, created_at, expires_at, revoked_at, *limits = columns
    return ApiKey(
        id=key_id,
        name=name,
        hint=hint,
        scopes=frozenset(Scope(scope) for scope in scopes),
        models=None if models is None else frozenset(models),
        created_at=created_at,
        expires_at=expires_at,
        revoked_at=revoked_at,
        limits=Limits(*limits),
    )
