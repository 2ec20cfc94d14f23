"""`/admin/parity`: recorded requests, and what the pairs of a rollout have shown."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Response

from querylake_api.keys.dependencies import AdminKey, AdminRoute
from querylake_api.parity.errors import no_pairs, parity_unavailable
from querylake_api.parity.schemas import (
    CorpusPart,
    CorpusView,
    ExampleView,
    Forgotten,
    RolloutParityView,
)
from querylake_api.persistence.errors import DatabaseUnavailable
from querylake_api.persistence.text import StorableText
from querylake_api.process.components import ComponentsDep

MAX_REQUESTS = 2000

router = APIRouter(prefix="/admin/parity", tags=["parity"], route_class=AdminRoute)

_log = logging.getLogger(__name__)


@router.get("/corpus")
async def corpus(components: ComponentsDep, _: AdminKey) -> CorpusView:
    """Return how much is recorded, by key and model; no texts."""
    async with _database():
        counts = await components.parity.repository.counts()
    return CorpusView(
        recording=components.parity.corpus.settings is not None,
        data=[CorpusPart(**asdict(count)) for count in counts],
    )


@router.get("/corpus/requests", response_class=Response)
async def recorded_requests(
    components: ComponentsDep,
    key: AdminKey,
    route: StorableText = "/v1/chat/completions",
    model: StorableText | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_REQUESTS)] = 200,
) -> Response:
    """Return recorded requests as they came, one a line, newest first.

    This is what `upgrade_gates parity verify`, `record` and `replay` compare engines by.
    """
    async with _database():
        bodies = await components.parity.recorded(route, model, limit)
    _log.info("%d recorded requests were read by %s", len(bodies), key.id)
    lines = (b" ".join(body.splitlines()) for body in bodies)
    return Response(b"".join(line + b"\n" for line in lines), media_type="application/x-ndjson")


@router.delete("/corpus")
async def forget(components: ComponentsDep, by: AdminKey, key: StorableText) -> Forgotten:
    """Delete every recorded text of a key."""
    async with _database():
        deleted = await components.parity.repository.forget(key)
    _log.info("%d recorded requests of %s were deleted by %s", deleted, key, by.id)
    return Forgotten(deleted=deleted)


@router.get("/rollouts/{rollout_id}")
async def rollout_parity(
    rollout_id: StorableText, components: ComponentsDep, _: AdminKey
) -> RolloutParityView:
    """Return what the pairs of a rollout have shown, with examples where texts may be kept."""
    rollout = await components.rollouts.service.get(rollout_id)
    if rollout.plan.parity is None:
        raise no_pairs(rollout_id)
    async with _database():
        verdict, examples = await components.parity.of_rollout(rollout_id, rollout.plan.parity)
    return RolloutParityView(
        rollout=rollout_id,
        verdict=verdict,
        examples=[ExampleView(**asdict(example)) for example in examples],
    )


@asynccontextmanager
async def _database() -> AsyncIterator[None]:
    try:
        yield
    except DatabaseUnavailable:
        raise parity_unavailable() from None
