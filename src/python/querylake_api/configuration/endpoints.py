"""`/admin/config`: which configuration runs, and having it read again."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from querylake_api.configuration.loading import ConfigurationError
from querylake_api.configuration.reloading import ReloadReport, WorkerState
from querylake_api.errors import ApiError, invalid_request
from querylake_api.keys.dependencies import AdminKey, AdminRoute
from querylake_api.process.components import ComponentsDep

router = APIRouter(prefix="/admin/config", tags=["configuration"], route_class=AdminRoute)


class ConfigView(BaseModel):
    """The configuration that runs, and where.

    Attributes:
        path: the file, on the server.
        generation, digest: of the process that answers.
        workers: what every process of the server runs.
    """

    object: Literal["config"] = "config"
    path: str
    generation: int
    digest: str
    workers: list[WorkerState]


@router.get("")
async def show_config(components: ComponentsDep, _: AdminKey) -> ConfigView:
    """Say which configuration each process runs."""
    return ConfigView(
        path=str(components.configuration.path),
        generation=components.generation,
        digest=components.configuration.digest,
        workers=components.reloader.workers(),
    )


@router.post("/reload", responses={422: {"description": "The configuration is refused."}})
async def reload_config(components: ComponentsDep, _: AdminKey) -> ReloadReport:
    """Read the configuration again on every process. What is in flight ends as it began."""
    try:
        return await components.reloader.reload()
    except ConfigurationError as error:
        raise _refused(error) from None


def _refused(error: ConfigurationError) -> ApiError:
    return invalid_request(
        "The configuration is refused, and the running one stays: " + "; ".join(error.problems),
        status=422,
        code="invalid_configuration",
    )
