"""`/admin/usage`: sums and records of the ledger. `/v1/usage`: a key's own sums."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from querylake_api.errors import invalid_request
from querylake_api.keys.dependencies import AdminKey, AdminRoute, InferenceKey
from querylake_api.persistence.text import StorableText
from querylake_api.process.components import Components, ComponentsDep
from querylake_api.usage.question import (
    DEFAULT_DAYS,
    EARLIEST,
    LATEST,
    Dimension,
    Place,
    Selection,
    is_in_calendar,
    period,
)
from querylake_api.usage.record import UsageRecord
from querylake_api.usage.schemas import (
    MAX_PAGE,
    Usage,
    UsageGroup,
    UsageRecordPage,
)

router = APIRouter(prefix="/admin/usage", tags=["usage"], route_class=AdminRoute)
own_router = APIRouter(prefix="/v1/usage", tags=["usage"])

_From = Annotated[
    datetime | None,
    Query(
        alias="from",
        description=f"The first moment, e.g. 2026-11-01T00:00:00Z; {DEFAULT_DAYS} days back if "
        "left out.",
    ),
]
_To = Annotated[
    datetime | None,
    Query(alias="to", description="The moment after the last one; now if left out."),
]


def _selection(
    start: _From = None,
    end: _To = None,
    key: StorableText | None = None,
    model: StorableText | None = None,
    upstream: StorableText | None = None,
    stack: StorableText | None = None,
    outcome: StorableText | None = None,
) -> Selection:
    for moment, param in ((start, "from"), (end, "to")):
        if moment is not None and not is_in_calendar(moment):
            raise invalid_request(
                f"{param}: no request was made at {moment.isoformat()}; name a moment from "
                f"{EARLIEST.year} to {LATEST.year}.",
                status=422,
                code="invalid_value",
                param=param,
            )
    try:
        first, last = period(start, end)
    except ValueError as error:
        raise invalid_request(f"{error}; `from` must come before `to`.", param="from") from None
    return Selection(first, last, key, model, upstream, stack, outcome)


_Selected = Annotated[Selection, Depends(_selection)]
_GroupBy = Annotated[
    list[Dimension] | None, Query(description="May be repeated; none gives the total.")
]


@router.get("")
async def usage(
    components: ComponentsDep,
    _: AdminKey,
    selection: _Selected,
    group_by: _GroupBy = None,
) -> Usage:
    """Return requests, tokens and latencies, summed for each group."""
    return await _usage(components, selection, group_by)


@own_router.get("")
async def own_usage(
    components: ComponentsDep,
    key: InferenceKey,
    start: _From = None,
    end: _To = None,
    group_by: _GroupBy = None,
) -> Usage:
    """Return what the key of this request has used, summed for each group."""
    return await _usage(components, replace(_selection(start, end), key=key.id), group_by)


async def _usage(
    components: Components, selection: Selection, group_by: list[Dimension] | None
) -> Usage:
    dimensions = list(dict.fromkeys(group_by or []))
    rows = await components.usage.totals(selection, dimensions)
    return Usage(
        start=selection.start,
        end=selection.end,
        group_by=dimensions,
        data=[UsageGroup.of(row, dimensions) for row in rows],
    )


@router.get("/records")
async def usage_records(
    components: ComponentsDep,
    _: AdminKey,
    selection: _Selected,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    after: Annotated[str | None, Query(description="`last` of the previous page.")] = None,
) -> UsageRecordPage:
    """List requests, newest first."""
    try:
        place = None if after is None else Place.parse(after)
    except ValueError as error:
        raise invalid_request(
            f"{error}; send `last` of the previous page as it was.", param="after"
        ) from None
    rows = await components.usage.page(selection, limit=limit + 1, after=place)
    page = [UsageRecord.model_validate(row) for row in rows[:limit]]
    last = str(Place(page[-1].began_at, page[-1].id)) if page else None
    return UsageRecordPage(data=page, has_more=len(rows) > limit, last=last)
