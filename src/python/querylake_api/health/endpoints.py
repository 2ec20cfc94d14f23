"""`/healthz`, `/readyz` and `/metrics`: for load balancers and Prometheus, without a key."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from querylake_api.health.service import ReadinessReport
from querylake_api.process.components import ComponentsDep
from querylake_version import VERSION

router = APIRouter(tags=["health"])


class Liveness(BaseModel):
    """The process runs."""

    status: Literal["ok"] = "ok"
    version: str = VERSION


@router.get("/healthz")
@router.get("/health", include_in_schema=False)
async def healthz() -> Liveness:
    """Say that the process runs, whatever it depends on does. Many ask for it at `/health`."""
    return Liveness()


@router.get(
    "/readyz", response_model_exclude_none=True, responses={503: {"model": ReadinessReport}}
)
async def readyz(components: ComponentsDep, response: Response) -> ReadinessReport:
    """Say whether requests can be served, and name each dependency with its state."""
    report = await components.readiness.report()
    if report.status == "unavailable":
        response.status_code = 503
    return report


@router.get("/metrics", response_class=Response)
async def metrics(components: ComponentsDep) -> Response:
    """Return the metrics of every worker of this machine in Prometheus' text format."""
    return Response(
        await components.metrics.exposition(), media_type=components.metrics.content_type
    )
