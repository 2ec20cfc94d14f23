"""A job: that somebody wants a work done."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

State = Literal["queued", "running", "complete", "partial", "failed", "cancelled"]

FINAL: frozenset[State] = frozenset({"complete", "partial", "failed", "cancelled"})


class JobError(BaseModel):
    """Why a document could not be converted at all."""

    code: str
    message: str


class Job(BaseModel):
    """What is kept of a job.

    Attributes:
        owner: whoever asked, in the words of this service's caller; others do not find it.
        digest: of the work.
        page_count: of the pages that were asked for; None until the document was opened.
        pages_done: when it ended before its time; a job with a result has done all of them.
    """

    id: str
    owner: str
    file_name: str
    digest: str
    state: State = "queued"
    page_count: int | None = None
    pages_done: int = 0
    created_at: datetime
    finished_at: datetime | None = None
    error: JobError | None = None


class JobView(BaseModel):
    """What callers see of a job."""

    id: str
    object: Literal["ocr.job"] = "ocr.job"
    file_name: str
    status: State
    page_count: int | None
    pages_done: int
    created_at: datetime
    finished_at: datetime | None
    error: JobError | None

    @classmethod
    def of(cls, job: Job, pages_done: int) -> JobView:
        """Return the view of a job with this many finished pages."""
        return cls(
            id=job.id,
            file_name=job.file_name,
            status=job.state,
            page_count=job.page_count,
            pages_done=pages_done,
            created_at=job.created_at,
            finished_at=job.finished_at,
            error=job.error,
        )
