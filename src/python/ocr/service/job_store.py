"""Jobs on disk, one small file each, and all of them in memory."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from ocr.service.job import FINAL, Job, JobError, State
from ocr.service.work_folder import write_whole


class JobStore:
    """Every job that is known. Changes are on disk before anybody is told of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._jobs: dict[str, Job] = {}
        for file in folder.glob("*.json"):
            try:
                job = Job.model_validate_json(file.read_bytes())
            except ValidationError:
                continue  # of another version: it stays on disk, and is not ours to judge
            self._jobs[job.id] = job

    def create(self, *, owner: str, file_name: str, digest: str) -> Job:
        """Return a new job."""
        job = Job(
            id=f"ocrjob_{secrets.token_hex(12)}",
            owner=owner,
            file_name=file_name,
            digest=digest,
            created_at=datetime.now(UTC),
        )
        self._keep(job)
        return job

    def find(self, job_id: str, owner: str) -> Job | None:
        """Return a job of an owner."""
        job = self._jobs.get(job_id)
        return job if job is not None and job.owner == owner else None

    def of(self, owner: str) -> list[Job]:
        """Return the jobs of an owner, newest first."""
        own = [job for job in self._jobs.values() if job.owner == owner]
        return sorted(own, key=lambda job: (job.created_at, job.id), reverse=True)

    def unfinished(self, digest: str | None = None) -> list[Job]:
        """Return the jobs that still wait for a work, in the order in which they came."""
        waiting = [
            job
            for job in self._jobs.values()
            if job.state not in FINAL and digest in (None, job.digest)
        ]
        return sorted(waiting, key=lambda job: (job.created_at, job.id))

    def update(
        self,
        job: Job,
        *,
        state: State,
        page_count: int | None = None,
        pages_done: int = 0,
        error: JobError | None = None,
    ) -> Job:
        """Return a job with what has changed."""
        changed = job.model_copy(
            update={
                "state": state,
                "page_count": job.page_count if page_count is None else page_count,
                "pages_done": pages_done,
                "error": error,
                "finished_at": datetime.now(UTC) if state in FINAL else None,
            }
        )
        self._keep(changed)
        return changed

    def forget_older_than(self, age: timedelta) -> None:
        """Forget the jobs that ended so long ago."""
        limit = datetime.now(UTC) - age
        for job in list(self._jobs.values()):
            if job.finished_at is not None and job.finished_at < limit:
                self.remove(job.id)

    def remove(self, job_id: str) -> None:
        """Forget a job."""
        self._jobs.pop(job_id, None)
        (self._folder / f"{job_id}.json").unlink(missing_ok=True)

    def digests(self) -> set[str]:
        """Return the works that any job names."""
        return {job.digest for job in self._jobs.values()}

    def _keep(self, job: Job) -> None:
        write_whole(self._folder / f"{job.id}.json", job.model_dump_json().encode())
        self._jobs[job.id] = job
