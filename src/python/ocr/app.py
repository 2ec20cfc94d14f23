"""The HTTP application."""

from __future__ import annotations

from typing import Literal

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from ocr.access import KeyRequired
from ocr.answers import http_error
from ocr.engine import Engine
from querylake_version import VERSION


class InstalledEngine(BaseModel):
    """The OCR engine that the environment holds."""

    name: str
    version: str


class Health(BaseModel):
    """The service runs, with this."""

    status: Literal["ok"] = "ok"
    version: str = VERSION
    engine: InstalledEngine


def application(engine: Engine, key: str | None) -> ASGIApp:
    """Return the application.

    Args:
        engine: what `/health` reports.
        key: what everything but `/health` asks for; None for nothing.
    """
    app = FastAPI(
        title="QueryLake OCR",
        summary="Converting over HTTP is not part of this version; `ocr.pex convert` is.",
        version=VERSION,
        redoc_url=None,
        redirect_slashes=False,
    )
    health = Health(engine=InstalledEngine(name=engine.name, version=engine.version))

    @app.get("/health", summary="Whether it runs, and which engine is installed")
    async def report_health() -> Health:
        return health

    app.add_exception_handler(HTTPException, http_error)
    return app if key is None else KeyRequired(app, key)
