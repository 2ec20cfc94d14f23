"""`/admin/upstreams`: how each engine is."""

from __future__ import annotations

from fastapi import APIRouter

from querylake_api.keys.dependencies import AdminKey, AdminRoute
from querylake_api.process.components import ComponentsDep
from querylake_api.upstreams.schemas import ServedModel, UpstreamList, UpstreamView

router = APIRouter(prefix="/admin/upstreams", tags=["upstreams"], route_class=AdminRoute)


@router.get("")
async def list_upstreams(components: ComponentsDep, _: AdminKey) -> UpstreamList:
    """List the engines with their condition, their breaker and their load."""
    models: dict[str, list[ServedModel]] = {}
    for model in components.catalog.models:
        for target in (*model.stable, *model.candidates):
            served = ServedModel(id=model.id, stack=target.stack)
            models.setdefault(target.upstream, []).append(served)
    return UpstreamList(
        data=[
            UpstreamView.of(facts, models.get(facts.name, []))
            for facts in components.upstreams.facts()
        ]
    )
