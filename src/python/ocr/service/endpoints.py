"""`/v1/ocr` and its jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse

from ocr.conversion.assembly import DocumentResult
from ocr.service.errors import (
    DocumentNotConverted,
    JobNotFinished,
    NothingConverted,
    RequestRefused,
)
from ocr.service.fields import PASSWORD_HEADER
from ocr.service.job import FINAL, JobView
from ocr.service.jobs import Jobs
from ocr.service.service import OcrService
from ocr.service.uploads import received

MAX_LISTED = 100
COMMENT_SECONDS = 15.0
"""Between signs of life in an event stream: proxies close what is silent."""

router = APIRouter(prefix="/v1/ocr", tags=["ocr"])

_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "pages": {"type": "string"},
                        "password": {"type": "string"},
                        "text_layer": {"enum": ["auto", "always", "never"]},
                        "dpi": {"type": "integer", "minimum": 72, "maximum": 600},
                        "format": {"enum": ["json", "markdown"]},
                    },
                }
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    },
    "parameters": [
        {
            "name": name,
            "in": "header" if name == PASSWORD_HEADER else "query",
            "description": "In a form, it may be a field as well.",
            "schema": {"type": "integer" if name == "dpi" else "string"},
        }
        for name in ("pages", "text_layer", "dpi", "format", "file_name", PASSWORD_HEADER)
    ],
}


def _service(request: Request) -> OcrService:
    service: OcrService = request.app.state.service
    return service


def _owner(x_querylake_owner: Annotated[str, Header(max_length=200)] = "") -> str:
    return x_querylake_owner


Service = Annotated[OcrService, Depends(_service)]
Owner = Annotated[str, Depends(_owner)]


@router.post("", response_model=DocumentResult, openapi_extra=_FORM)
async def convert_now(request: Request, service: Service, owner: Owner) -> Response:
    """Convert a small document and wait for it. Larger ones are jobs."""
    jobs = service.jobs
    async with received(request, service.works.upload_path(), service.terms) as document:
        job = await jobs.create(
            document.path, document.order, owner=owner, file_name=document.file_name
        )
    try:
        await _until_finished(request, jobs, job.id, owner, service.sync_pages)
        result = jobs.result(job.id, owner)
    except JobNotFinished as error:
        raise DocumentNotConverted(error.state, error.error) from None
    finally:
        # Nobody knows it by its name, and there may be millions of them.
        await asyncio.shield(jobs.discard(job.id, owner))
    if document.format == "markdown":
        return _markdown(result)
    return Response(result.model_dump_json(), media_type="application/json")


async def _until_finished(
    request: Request, jobs: Jobs, job_id: str, owner: str, sync_pages: int
) -> None:
    watcher = asyncio.create_task(_gone(request))
    reading = asyncio.create_task(_follow(jobs, job_id, owner, sync_pages))
    try:
        await asyncio.wait((watcher, reading), return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            await reading
    finally:
        watcher.cancel()
        reading.cancel()
        await asyncio.gather(watcher, reading, return_exceptions=True)


async def _follow(jobs: Jobs, job_id: str, owner: str, sync_pages: int) -> None:
    async for job in jobs.events(job_id, owner):
        if job.page_count is not None and job.page_count > sync_pages:
            raise RequestRefused(
                f"The document has {job.page_count} pages to convert, and at most {sync_pages} are "
                "converted while you wait. Send it to POST /v1/ocr/jobs, or name fewer `pages`.",
                status=413,
                code="too_many_pages_at_once",
                param="pages",
            )


async def _gone(request: Request) -> None:
    while not await request.is_disconnected():
        await asyncio.sleep(0.25)


@router.post("/jobs", status_code=202, openapi_extra=_FORM)
async def create_job(request: Request, service: Service, owner: Owner) -> JobView:
    """Take a document in and convert it as soon as there is time."""
    async with received(request, service.works.upload_path(), service.terms) as document:
        return await service.jobs.create(
            document.path, document.order, owner=owner, file_name=document.file_name
        )


@router.get("/jobs")
async def list_jobs(
    service: Service, owner: Owner, limit: Annotated[int, Query(ge=1, le=MAX_LISTED)] = 20
) -> list[JobView]:
    """List one's own jobs, newest first."""
    return service.jobs.list(owner, limit)


@router.get("/jobs/{job_id}")
async def get_job(job_id: str, service: Service, owner: Owner) -> JobView:
    """Return a job."""
    return service.jobs.get(job_id, owner)


@router.get("/jobs/{job_id}/events", response_class=StreamingResponse)
async def job_events(job_id: str, service: Service, owner: Owner) -> Response:
    """Stream a job as it changes, as server-sent events; the last one is its end."""
    service.jobs.get(job_id, owner)
    return StreamingResponse(
        _events(service.jobs, job_id, owner),
        media_type="text/event-stream",
        headers={"cache-control": "no-cache", "x-accel-buffering": "no"},
    )


async def _events(jobs: Jobs, job_id: str, owner: str) -> AsyncIterator[bytes]:
    views = jobs.events(job_id, owner)
    pending = asyncio.ensure_future(anext(views))
    try:
        while True:
            done, _ = await asyncio.wait((pending,), timeout=COMMENT_SECONDS)
            if not done:
                yield b": waiting\n\n"
                continue
            view = pending.result()
            yield b"data: " + view.model_dump_json().encode() + b"\n\n"
            if view.status in FINAL:
                return
            pending = asyncio.ensure_future(anext(views))
    finally:
        pending.cancel()


@router.get("/jobs/{job_id}/result")
async def job_result(job_id: str, service: Service, owner: Owner) -> DocumentResult:
    """Return what a job has made of its document."""
    return service.jobs.result(job_id, owner)


@router.get("/jobs/{job_id}/markdown", response_class=PlainTextResponse)
async def job_markdown(job_id: str, service: Service, owner: Owner) -> Response:
    """Return the Markdown alone, without the pages that failed; headers tell how many."""
    return _markdown(service.jobs.result(job_id, owner))


@router.delete("/jobs/{job_id}")
async def cancel_job(job_id: str, service: Service, owner: Owner) -> JobView:
    """End a job. One that has ended stays as it is."""
    return await service.jobs.cancel(job_id, owner)


def _markdown(result: DocumentResult) -> Response:
    if result.status == "failed":
        raise NothingConverted(result.errors)
    return PlainTextResponse(
        result.markdown,
        media_type="text/markdown; charset=utf-8",
        headers={"x-ocr-status": result.status, "x-ocr-pages-failed": str(len(result.errors))},
    )
