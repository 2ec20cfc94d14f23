"""The questions to the ledger, as SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, case, delete, func, select, tuple_

from querylake_api.persistence.database import Database
from querylake_api.usage.question import Dimension, Place, Selection
from querylake_api.usage.table import usage_records

PRUNE_ROWS = 10_000
"""Deleted in one transaction at most, so that no statement takes long."""

_RECORD: Final = usage_records.c

_COLUMNS: dict[Dimension, ColumnElement[Any]] = {
    Dimension.KEY: _RECORD.key_id,
    Dimension.MODEL: _RECORD.model,
    Dimension.UPSTREAM: _RECORD.upstream,
    Dimension.STACK: _RECORD.stack,
    Dimension.OUTCOME: _RECORD.outcome,
    Dimension.ROUTE: _RECORD.route,
    Dimension.HOUR: func.date_trunc("hour", _RECORD.began_at, "UTC"),
    Dimension.DAY: func.date_trunc("day", _RECORD.began_at, "UTC"),
}

_SERVED = _RECORD.outcome.in_(("success", "client_error", "client_abort"))
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
        query = _selected(select(*_RECORD), selection)
        query = query.order_by(_RECORD.began_at.desc(), _RECORD.id.desc()).limit(limit)
        if after is not None:
            place = tuple_(_RECORD.began_at, _RECORD.id)
            query = query.where(place < (after.began_at, after.id))
        async with self._database.begin() as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]

    async def prune(self, before: datetime) -> int:
        """Delete the records of requests that began before a moment, and return how many."""
        oldest = select(_RECORD.id).where(_RECORD.began_at < before).limit(PRUNE_ROWS)
        total = 0
        while True:
            async with self._database.begin() as connection:
                result = await connection.execute(
                    delete(usage_records).where(_RECORD.id.in_(oldest.scalar_subquery()))
                )
            total += result.rowcount
            if result.rowcount < PRUNE_ROWS:
                return total


def _measures() -> list[ColumnElement[Any]]:
    first_token = _RECORD.first_token_seconds
    untold = _RECORD.completion_tokens.is_(None) & (_RECORD.content_chunks > 0)
    return [
        func.count().label("requests"),
        func.count(case((~_SERVED, 1))).label("failures"),
        func.coalesce(func.sum(_RECORD.prompt_tokens), 0).label("prompt_tokens"),
        func.coalesce(func.sum(_RECORD.completion_tokens), 0).label("completion_tokens"),
        func.coalesce(func.sum(case((untold, _RECORD.content_chunks))), 0).label(
            "uncounted_chunks"
        ),
        func.percentile_cont(0.5).within_group(first_token).label("first_token_p50"),
        func.percentile_cont(0.95).within_group(first_token).label("first_token_p95"),
        func.percentile_cont(0.95).within_group(_RECORD.seconds).label("seconds_p95"),
    ]


def _selected(query: Select[Any], selection: Selection) -> Select[Any]:
    query = query.where(_RECORD.began_at >= selection.start, _RECORD.began_at < selection.end)
    for column, wanted in (
        (_RECORD.key_id, selection.key),
        (_RECORD.model, selection.model),
        (_RECORD.upstream, selection.upstream),
        (_RECORD.stack, selection.stack),
        (_RECORD.outcome, selection.outcome),
    ):
        if wanted is not None:
            query = query.where(column == wanted)
    return query
