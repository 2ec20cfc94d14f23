"""`/v1/models`: what a key may use."""

from __future__ import annotations

from fastapi import APIRouter

from querylake_api.inference.schemas import ModelList, ModelView
from querylake_api.keys.dependencies import InferenceKey
from querylake_api.process.components import ServicesDep

router = APIRouter(prefix="/v1/models", tags=["inference"])


@router.get("")
async def list_models(services: ServicesDep, key: InferenceKey) -> ModelList:
    """List the models that the key may use, under their ids and their aliases."""
    created = services.started_at
    return ModelList(
        data=[
            ModelView.of(name, model, created)
            for model in services.catalog.usable_by(key)
            for name in (model.id, *model.aliases)
        ]
    )


@router.get("/{name:path}")
async def get_model(name: str, services: ServicesDep, key: InferenceKey) -> ModelView:
    """Return one model by id or alias. Ids may contain `/`."""
    return ModelView.of(name, services.catalog.find(name, key), services.started_at)
