"""From documents to jobs and their results, and back to life after a crash."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from ocr.conversion.assembly import DocumentResult
from ocr.service.errors import JobNotFinished, JobNotFound, ResultGone
from ocr.service.job import FINAL, Job, JobError, JobView
from ocr.service.job_store import JobStore
from ocr.service.order import Order
from ocr.service.works import Work, Works

_log = logging.getLogger(__name__)

SWEEP_SECONDS = 3600.0


class Jobs:
    """All jobs of the service. Callers see their own.

    Args:
        keep: how long ended jobs and their results are kept.
    """

    def __init__(self, store: JobStore, works: Works, keep: timedelta) -> None:
        self._store = store
        self._works = works
        self._keep = keep
        self._followers: dict[str, asyncio.Task[None]] = {}

    def resume(self) -> int:
        """Go on with the jobs that a process before this one left, and return how many."""
        waiting = self._store.unfinished()
        for job in waiting:
            work = self._works.resume(job.digest)
            if work is None:
                error = JobError(
                    code="document_lost", message="its document is gone; send it again"
                )
                self._store.update(job, state="failed", error=error)
            else:
                self._follow(job, work)
        return len(waiting)

    async def create(self, upload: Path, order: Order, *, owner: str, file_name: str) -> JobView:
        """Return a new job for a document, which is moved away."""
        work = self._works.submit(upload, order)
        job = self._store.create(owner=owner, file_name=file_name, digest=order.digest)
        if work.ended:
            return self._view(self._settle(job, work))
        self._follow(job, work)
        return self._view(job)

    def get(self, job_id: str, owner: str) -> JobView:
        """Return a job.

        Raises:
            JobNotFound: the owner has none of that name.
        """
        return self._view(self._find(job_id, owner))

    def list(self, owner: str, limit: int) -> list[JobView]:
        """Return the newest jobs of an owner."""
        return [self._view(job) for job in self._store.of(owner)[:limit]]

    async def events(self, job_id: str, owner: str) -> AsyncIterator[JobView]:
        """Yield a job now and whenever it has changed, until it has ended.

        Raises:
            JobNotFound: the owner has none of that name.
        """
        job = self._find(job_id, owner)
        work = None if job.state in FINAL else self._works.running(job.digest)
        if work is not None:
            async for _ in work.changes():
                job = self._find(job_id, owner)
                if job.state in FINAL or work.ended:
                    break
                yield self._view(job)
        follower = self._followers.get(job_id)
        if follower is not None:
            await asyncio.gather(follower, return_exceptions=True)
        yield self.get(job_id, owner)

    def result(self, job_id: str, owner: str) -> DocumentResult:
        """Return the result of a job.

        Raises:
            JobNotFound: the owner has none of that name.
            JobNotFinished: it has none yet, or never will.
            ResultGone: it was not kept.
        """
        job = self._find(job_id, owner)
        if job.state not in ("complete", "partial", "failed") or job.error is not None:
            raise JobNotFinished(job_id, job.state, job.error)
        result = self._works.result(job.digest)
        if result is None:
            raise ResultGone(job_id)
        return result

    async def cancel(self, job_id: str, owner: str) -> JobView:
        """End a job. The work ends with it, unless somebody else wants it too.

        Raises:
            JobNotFound: the owner has none of that name.
        """
        job = self._find(job_id, owner)
        if job.state in FINAL:
            return self._view(job)
        work = self._works.running(job.digest)
        done = 0 if work is None else work.pages_done
        job = self._store.update(job, state="cancelled", pages_done=done)
        follower = self._followers.pop(job_id, None)
        if follower is not None:
            follower.cancel()
        if not self._store.unfinished(job.digest):
            await self._works.abandon(job.digest)
        if work is not None:
            await work.change()  # for those who watch the job
        return self._view(job)

    async def discard(self, job_id: str, owner: str) -> None:
        """End a job, and forget that there was one; the work's result stays, if there is one."""
        if self._store.find(job_id, owner) is not None:
            await self.cancel(job_id, owner)
        self._store.remove(job_id)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Go on with what was left, and forget what is old, until the block ends."""
        resumed = self.resume()
        if resumed:
            _log.info("%d unfinished jobs go on", resumed)
        sweeping = asyncio.create_task(self._sweep())
        try:
            yield
        finally:
            sweeping.cancel()
            for follower in self._followers.values():
                follower.cancel()
            await self._works.close()

    def _find(self, job_id: str, owner: str) -> Job:
        job = self._store.find(job_id, owner)
        if job is None:
            raise JobNotFound(job_id)
        return job

    def _view(self, job: Job) -> JobView:
        if job.state == "cancelled" or job.error is not None:
            return JobView.of(job, job.pages_done)
        if job.state in FINAL:
            return JobView.of(job, job.page_count or 0)
        work = self._works.running(job.digest)
        return JobView.of(job, 0 if work is None else work.pages_done)

    def _follow(self, job: Job, work: Work) -> None:
        follower = asyncio.create_task(self._keep_up(job, work))
        self._followers[job.id] = follower
        follower.add_done_callback(lambda _: self._followers.pop(job.id, None))

    async def _keep_up(self, job: Job, work: Work) -> None:
        async for _ in work.changes():
            if work.page_count is not None and job.state == "queued":
                job = self._store.update(job, state="running", page_count=work.page_count)
        self._settle(job, work)

    def _settle(self, job: Job, work: Work) -> Job:
        if work.refusal is not None:
            return self._store.update(
                job, state="failed", pages_done=work.pages_done, error=work.refusal
            )
        assert work.result is not None
        return self._store.update(job, state=work.result.status, page_count=work.page_count)

    async def _sweep(self) -> None:
        while True:
            self._store.forget_older_than(self._keep)
            self._works.forget_older_than(self._keep, wanted=self._store.digests())
            await asyncio.sleep(SWEEP_SECONDS)
