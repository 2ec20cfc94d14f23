"""`/v1/models`: what a key may use. `/admin/contract`: which fields callers send."""

from __future__ import annotations

from fastapi import APIRouter

from querylake_api.inference.schemas import ModelList, ModelView, SentField, SentFields
from querylake_api.keys.dependencies import AdminKey, InferenceKey
from querylake_api.process.components import ComponentsDep

router = APIRouter(prefix="/v1/models", tags=["inference"])
admin_router = APIRouter(prefix="/admin/contract", tags=["admin"])


@router.get("")
@router.get("/", include_in_schema=False)
async def list_models(components: ComponentsDep, key: InferenceKey) -> ModelList:
    """List the models that the key may use, under their ids and their aliases."""
    created = components.started_at
    return ModelList(
        data=[
            ModelView.of(name, model, created)
            for model in components.catalog.usable_by(key)
            for name in (model.id, *model.aliases)
        ]
    )


@router.get("/{name:path}")
async def get_model(name: str, components: ComponentsDep, key: InferenceKey) -> ModelView:
    """Return one model by id or alias. Ids may contain `/`."""
    return ModelView.of(name, components.catalog.find(name, key), components.started_at)


@admin_router.get("")
async def list_sent_fields(components: ComponentsDep, _: AdminKey) -> SentFields:
    """Count the request fields that callers send, by route and model: names, never values.

    Before an engine is upgraded, `upgrade_gates parity contract --api` crosses them with the
    fields that the new engine no longer knows.
    """
    counted = await components.metrics.totals(components.metrics.request_fields)
    return SentFields(
        fields=[
            SentField(route=route, model=model, field=field, requests=int(count))
            for (route, model, field), count in sorted(counted.items())
        ]
    )
