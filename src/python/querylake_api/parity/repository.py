"""The queries of parity. Every one raises `DatabaseUnavailable` when there is no answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, func, insert, select, text, update

from querylake_api.parity.models import CorpusRow, PairRow
from querylake_api.persistence.database import Database

PAIR_DAYS = 30
"""How long pairs are kept; their texts go with the corpus."""

_BEYOND = text("""
    DELETE FROM parity_corpus WHERE id IN (
        SELECT id FROM (
            SELECT id, sum(size) OVER (ORDER BY recorded_at DESC, id) AS kept FROM parity_corpus
        ) AS newest_first
        WHERE kept > :max_bytes
    )
    """)


@dataclass(frozen=True, slots=True)
class SealedRequest:
    """A recorded request at rest."""

    id: UUID
    key_id: str
    model: str
    route: str
    sealed: bytes

    @property
    def about(self) -> str:
        """What it is sealed for."""
        return about(self.id, self.key_id, self.model, self.route)


@dataclass(frozen=True, slots=True)
class SeenPair:
    """A pair at rest."""

    id: int
    key_id: str
    pair: dict[str, Any]
    sealed: bytes | None


@dataclass(frozen=True, slots=True)
class CorpusCount:
    """How much of a key and model is recorded."""

    key_id: str
    model: str
    requests: int
    bytes: int


def about(*parts: object) -> str:
    """Return what a text is sealed for, as one string."""
    return "\n".join(map(str, parts))


class ParityRepository:
    """Recorded requests and pairs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_requests(self, requests: Sequence[SealedRequest]) -> None:
        """Store recorded requests."""
        rows = [
            {
                "id": each.id,
                "key_id": each.key_id,
                "model": each.model,
                "route": each.route,
                "size": len(each.sealed),
                "sealed": each.sealed,
            }
            for each in requests
        ]
        async with self._database.begin() as connection:
            await connection.execute(insert(CorpusRow), rows)

    async def prune(self, *, max_bytes: int, max_days: float) -> None:
        """Delete what is too old, and the oldest of what is too much."""
        async with self._database.begin() as connection:
            # The interval of days is computed by PostgreSQL, whose clock wrote `recorded_at`.
            age = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, max_days * 86_400)
            await connection.execute(delete(CorpusRow).where(CorpusRow.recorded_at < age))
            await connection.execute(_BEYOND, {"max_bytes": max_bytes})
            texts = PairRow.sealed.is_not(None) & (PairRow.made_at < age)
            await connection.execute(update(PairRow).where(texts).values(sealed=None))
            old = func.now() - func.make_interval(0, 0, 0, PAIR_DAYS)
            await connection.execute(delete(PairRow).where(PairRow.made_at < old))

    async def forget(self, key_id: str) -> int:
        """Delete every text of a key, and return how many requests that were."""
        async with self._database.begin() as connection:
            gone = await connection.execute(delete(CorpusRow).where(CorpusRow.key_id == key_id))
            texts = PairRow.key_id == key_id
            await connection.execute(update(PairRow).where(texts).values(sealed=None))
            return gone.rowcount

    async def counts(self) -> list[CorpusCount]:
        """Return how much is recorded, by key and model."""
        query = (
            select(CorpusRow.key_id, CorpusRow.model, func.count(), func.sum(CorpusRow.size))
            .group_by(CorpusRow.key_id, CorpusRow.model)
            .order_by(CorpusRow.key_id, CorpusRow.model)
        )
        async with self._database.begin() as connection:
            return [CorpusCount(*row) for row in await connection.execute(query)]

    async def requests(self, route: str, model: str | None, limit: int) -> list[SealedRequest]:
        """Return recorded requests, newest first."""
        query = (
            select(
                CorpusRow.id, CorpusRow.key_id, CorpusRow.model, CorpusRow.route, CorpusRow.sealed
            )
            .where(CorpusRow.route == route)
            .order_by(CorpusRow.recorded_at.desc(), CorpusRow.id)
            .limit(limit)
        )
        if model is not None:
            query = query.where(CorpusRow.model == model)
        async with self._database.begin() as connection:
            return [SealedRequest(*row) for row in await connection.execute(query)]

    async def add_pair(
        self, rollout_id: str, key_id: str, pair: dict[str, Any], sealed: bytes | None
    ) -> None:
        """Store what was seen of a pair."""
        values = {"rollout_id": rollout_id, "key_id": key_id, "pair": pair, "sealed": sealed}
        async with self._database.begin() as connection:
            await connection.execute(insert(PairRow).values(**values))

    async def pairs(self, rollout_id: str, after: int, limit: int) -> list[SeenPair]:
        """Return a rollout's pairs in the order in which they came."""
        query = (
            select(PairRow.id, PairRow.key_id, PairRow.pair, PairRow.sealed)
            .where(PairRow.rollout_id == rollout_id, PairRow.id > after)
            .order_by(PairRow.id)
            .limit(limit)
        )
        async with self._database.begin() as connection:
            return [SeenPair(*row) for row in await connection.execute(query)]

    async def examples(self, rollout_id: str, limit: int) -> list[SeenPair]:
        """Return the last pairs of a rollout whose texts were kept."""
        query = (
            select(PairRow.id, PairRow.key_id, PairRow.pair, PairRow.sealed)
            .where(PairRow.rollout_id == rollout_id, PairRow.sealed.is_not(None))
            .order_by(PairRow.id.desc())
            .limit(limit)
        )
        async with self._database.begin() as connection:
            return [SeenPair(*row) for row in await connection.execute(query)]


def new_id() -> UUID:
    """Return the id of a request that is recorded."""
    return uuid4()
