"""The parts of one running service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ocr.engines.opening import open_engine
from ocr.service.job_store import JobStore
from ocr.service.jobs import Jobs
from ocr.service.uploads import Terms
from ocr.service.works import Works
from ocr.workers.pool import GIB, Workers


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What an operator decides.

    Attributes:
        data: the folder for documents and results.
        workers: pages that are read at a time, each in a process of its own.
        sync_pages: of a document that is converted while its sender waits, at most.
        keep: how long jobs and results are kept after their end.
        memory: bytes that each worker may have.
    """

    data: Path
    workers: int
    sync_pages: int
    keep: timedelta
    memory: int = 6 * GIB


@dataclass(frozen=True, slots=True)
class OcrService:
    """What endpoints need."""

    jobs: Jobs
    works: Works
    terms: Terms
    sync_pages: int


@asynccontextmanager
async def running_service(settings: ServiceSettings, terms: Terms) -> AsyncIterator[OcrService]:
    """Start everything, go on with what was left, and stop everything."""
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    workers = Workers(settings.workers, settings.memory)
    works = Works(settings.data / "works", workers, terms.engine, open_engine(terms.engine).name)
    jobs = Jobs(JobStore(settings.data / "jobs"), works, settings.keep)
    try:
        async with jobs.running():
            yield OcrService(jobs, works, terms, settings.sync_pages)
    finally:
        await workers.close()
