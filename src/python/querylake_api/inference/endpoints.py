"""`/v1/models`: what a key may use."""

from __future__ import annotations

from fastapi import APIRouter

from querylake_api.inference.schemas import ModelList, ModelView
from querylake_api.keys.dependencies import InferenceKey
from querylake_api.process.components import ComponentsDep

router = APIRouter(prefix="/v1/models", tags=["inference"])


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
