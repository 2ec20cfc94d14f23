"""The HTTP application."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from ocr.access import KeyRequired
from ocr.answers import (
    client_left,
    http_error,
    internal_error,
    refused_document,
    refused_request,
    storage_failed,
    wrong_value,
)
from ocr.engine import Engine
from ocr.errors import DocumentRefused
from ocr.service.endpoints import router
from ocr.service.errors import RequestRefused
from ocr.service.service import ServiceSettings, running_service
from ocr.service.uploads import Terms
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


@asynccontextmanager
async def running_application(
    engine: Engine, key: str | None, settings: ServiceSettings, terms: Terms
) -> AsyncIterator[ASGIApp]:
    """Start the service and give its application.

    Args:
        engine: the one that is installed.
        key: what everything but `/health` asks for; None for nothing.
        terms: what every conversion has in common.
    """
    app = FastAPI(
        title="QueryLake OCR",
        summary="Documents in, Markdown and blocks out.",
        version=VERSION,
        redoc_url=None,
        redirect_slashes=False,
    )
    health = Health(engine=InstalledEngine(name=engine.name, version=engine.version))

    @app.get("/health", summary="Whether it runs, and which engine is installed")
    async def report_health() -> Health:
        return health

    # What is wrong with a form is told to whoever sent it.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    app.include_router(router)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, wrong_value)
    app.add_exception_handler(DocumentRefused, refused_document)
    app.add_exception_handler(RequestRefused, refused_request)
    app.add_exception_handler(ClientDisconnect, client_left)
    app.add_exception_handler(OSError, storage_failed)
    app.add_exception_handler(Exception, internal_error)
    async with running_service(settings, terms) as service:
        app.state.service = service
        yield app if key is None else KeyRequired(app, key)
