"""The questions to the ledger, as SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, case, delete, func, select, tuple_

from querylake_api.persistence.database import Database
from querylake_api.usage.models import UsageRow
from querylake_api.usage.question import Dimension, Place, Selection

PRUNE_ROWS = 10_000
"""Deleted in one transaction at most, so that no statement takes long."""

_COLUMNS: dict[Dimension, ColumnElement[Any]] = {
    Dimension.KEY: UsageRow.key_id.expression,
    Dimension.MODEL: UsageRow.model.expression,
    Dimension.UPSTREAM: UsageRow.upstream.expression,
    Dimension.STACK: UsageRow.stack.expression,
    Dimension.OUTCOME: UsageRow.outcome.expression,
    Dimension.ROUTE: UsageRow.route.expression,
    Dimension.HOUR: func.date_trunc("hour", UsageRow.began_at, "UTC"),
    Dimension.DAY: func.date_trunc("day", UsageRow.began_at, "UTC"),
}

_SERVED = UsageRow.outcome.in_(("success", "client_error", "client_abort"))
"""Outcomes that no engine and no server is to blame for."""


class UsageRepository:
    """The ledger. Every method raises `DatabaseUnavailable` when PostgreSQL does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def totals(
        self, selection: Selection, dimensions: Sequence[Dimension]
    ) -> list[dict[str, Any]]:
        """Return the sums of each group, in the order of the dimensions."""
        groups = [_COLUMNS[dimension].label(dimension.value) for dimension in dimensions]
        query = _selected(select(*groups, *_measures()), selection)
        if groups:
            query = query.group_by(*groups).order_by(*groups)
        async with self._database.begin() as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]

    async def page(
        self, selection: Selection, *, limit: int, after: Place | None
    ) -> list[dict[str, Any]]:
        """Return records, newest first, that come after a place."""
        query = _selected(select(*UsageRow.__table__.columns), selection)
        query = query.order_by(UsageRow.began_at.desc(), UsageRow.id.desc()).limit(limit)
        if after is not None:
            place = tuple_(UsageRow.began_at, UsageRow.id)
            query = query.where(place < (after.began_at, after.id))
        async with self._database.begin() as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]

    async def prune(self, before: datetime) -> int:
        """Delete the records of requests that began before a moment, and return how many."""
        oldest = select(UsageRow.id).where(UsageRow.began_at < before).limit(PRUNE_ROWS)
        total = 0
        while True:
            async with self._database.begin() as connection:
                result = await connection.execute(
                    delete(UsageRow).where(UsageRow.id.in_(oldest.scalar_subquery()))
                )
            total += result.rowcount
            if result.rowcount < PRUNE_ROWS:
                return total


def _measures() -> list[ColumnElement[Any]]:
    first_token = UsageRow.first_token_seconds
    untold = UsageRow.completion_tokens.is_(None) & (UsageRow.content_chunks > 0)
    return [
        func.count().label("requests"),
        func.count(case((~_SERVED, 1))).label("failures"),
        func.coalesce(func.sum(UsageRow.prompt_tokens), 0).label("prompt_tokens"),
        func.coalesce(func.sum(UsageRow.completion_tokens), 0).label("completion_tokens"),
        func.coalesce(func.sum(case((untold, UsageRow.content_chunks))), 0).label(
            "uncounted_chunks"
        ),
        func.percentile_cont(0.5).within_group(first_token).label("first_token_p50"),
        func.percentile_cont(0.95).within_group(first_token).label("first_token_p95"),
        func.percentile_cont(0.95).within_group(UsageRow.seconds).label("seconds_p95"),
    ]


def _selected(query: Select[Any], selection: Selection) -> Select[Any]:
    query = query.where(UsageRow.began_at >= selection.start, UsageRow.began_at < selection.end)
    for column, wanted in (
        (UsageRow.key_id, selection.key),
        (UsageRow.model, selection.model),
        (UsageRow.upstream, selection.upstream),
        (UsageRow.stack, selection.stack),
        (UsageRow.outcome, selection.outcome),
    ):
        if wanted is not None:
            query = query.where(column == wanted)
    return query
