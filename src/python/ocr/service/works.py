"""Doing works: page by page, in turn with others, once for all who want the same."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Set
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from ocr.conversion.assembly import DocumentResult, assemble
from ocr.conversion.result import PageResult
from ocr.engines.settings import EngineSettings
from ocr.errors import TRY_AGAIN
from ocr.service.job import JobError
from ocr.service.order import Order
from ocr.service.work_folder import WorkFolder
from ocr.workers.messages import Refusal
from ocr.workers.pool import Workers

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Work:
    """A work in progress, or one that has ended.

    Attributes:
        page_count: None until the document was opened.
        result: None until it is there.
        refusal: why there will be none.
    """

    digest: str
    page_count: int | None = None
    pages_done: int = 0
    result: DocumentResult | None = None
    refusal: JobError | None = None
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _version: int = 0

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.result is not None or self.refusal is not None

    async def changes(self) -> AsyncIterator[None]:
        """Yield once now and after every change, until the end."""
        seen = self._version
        yield
        while not self.ended:
            async with self._changed:
                while self._version == seen:
                    await self._changed.wait()
                seen = self._version
            yield

    async def change(self) -> None:
        """Tell those who wait for changes."""
        async with self._changed:
            self._version += 1
            self._changed.notify_all()


class Works:
    """All works.

    Args:
        folder: where they are kept; what is unfinished there is not begun by itself.
        engine: what reads pages.
        engine_name: of it, for results.
    """

    def __init__(
        self, folder: Path, workers: Workers, engine: EngineSettings, engine_name: str
    ) -> None:
        self._folder = folder
        self._uploads = folder.with_name("uploads")
        self._workers = workers
        self._engine = engine
        self._engine_name = engine_name
        self._running: dict[str, tuple[Work, asyncio.Task[None]]] = {}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.rmtree(self._uploads, ignore_errors=True)  # of requests that have ended with us
        self._uploads.mkdir(mode=0o700)

    def upload_path(self) -> Path:
        """Return where a document that is still arriving can be written."""
        return self._uploads / os.urandom(12).hex()

    def submit(self, upload: Path, order: Order) -> Work:
        """Take a document in and return its work, which may have ended long ago.

        A result that another try may make better is no reason not to try.
        """
        known = self.running(order.digest)
        if known is not None:
            return known
        folder = self._folder_of(order.digest)
        result = folder.result()
        if result is not None and not any(error.code in TRY_AGAIN for error in result.errors):
            return _ended(order.digest, result)
        folder.begin(upload, order.options)
        return self._start(order.digest)

    def resume(self, digest: str) -> Work | None:
        """Return a work that is known: running, to be gone on with, or ended. None if it is not."""
        known = self.running(digest)
        if known is not None:
            return known
        folder = self._folder_of(digest)
        if folder.options(self._engine) is not None:
            return self._start(digest)
        result = folder.result()
        return None if result is None else _ended(digest, result)

    def result(self, digest: str) -> DocumentResult | None:
        """Return the result that is kept of a work."""
        return self._folder_of(digest).result()

    def running(self, digest: str) -> Work | None:
        """Return a work that is being done."""
        found = self._running.get(digest)
        return None if found is None else found[0]

    async def abandon(self, digest: str) -> None:
        """Stop a work that nobody wants any more. Its finished pages stay for the next one."""
        stopped = self._stop(digest)
        # Before anything is waited for: from then on the same document may come again.
        self._folder_of(digest).let_go()
        await stopped

    def forget_older_than(self, age: timedelta, wanted: Set[str]) -> None:
        """Remove what is kept of works that have not changed for so long.

        Args:
            wanted: those that stay all the same.
        """
        limit = time.time() - age.total_seconds()
        for path in list(self._folder.iterdir()):
            kept = path.name in self._running or path.name in wanted
            if not kept and path.stat().st_mtime < limit:
                self._folder_of(path.name).remove()

    async def close(self) -> None:
        """Stop everything. It goes on from there when it is resumed."""
        await asyncio.gather(*(self._stop(digest) for digest in list(self._running)))

    def _stop(self, digest: str) -> Awaitable[object]:
        """Stop a work, and return what is done when it has stopped."""
        running = self._running.pop(digest, None)
        if running is None:
            return asyncio.sleep(0)
        running[1].cancel()
        return asyncio.gather(running[1], return_exceptions=True)

    def _start(self, digest: str) -> Work:
        work = Work(digest)
        task = asyncio.create_task(self._do(work), name=f"ocr-{digest[:8]}")
        self._running[digest] = work, task
        return work

    async def _do(self, work: Work) -> None:
        folder = self._folder_of(work.digest)
        try:
            await self._convert(work, folder)
        except OSError as error:
            # A full disk, most likely. The folder stays as it is, so that it can be gone on with.
            _log.exception("work %s cannot go on", work.digest)
            work.refusal = JobError(
                code="storage_failed", message=f"the result cannot be kept: {error.strerror}"
            )
        except Exception:  # noqa: BLE001 - whatever it is, those who wait must be told
            _log.exception("work %s failed", work.digest)
            work.refusal = JobError(code="internal_error", message="the service's log says why")
        finally:
            self._running.pop(work.digest, None)
        await work.change()

    async def _convert(self, work: Work, folder: WorkFolder) -> None:
        options = folder.options(self._engine)
        assert options is not None
        numbers = await self._workers.pages(folder.document, options)
        if isinstance(numbers, Refusal):
            work.refusal = JobError(code=numbers.code, message=numbers.message)
            folder.remove()
            return
        finished: dict[int, PageResult] = {}
        for number in numbers:
            page = folder.page(number)
            if page is not None and not _worth_a_try(page):
                finished[number] = page
        work.page_count, work.pages_done = len(numbers), len(finished)
        await work.change()
        waiting = iter([number for number in numbers if number not in finished])

        async def read_pages() -> None:
            # Each reader asks for one page at a time, and workers are given out in the order in
            # which they were asked for: so large documents take turns with small ones.
            for number in waiting:
                page = await self._workers.page(folder.document, options, number)
                folder.keep_page(page)
                finished[number] = page
                work.pages_done += 1
                await work.change()

        try:
            async with asyncio.TaskGroup() as readers:
                for _ in range(self._workers.count):
                    readers.create_task(read_pages())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        work.result = self._assembled(list(finished.values()))
        folder.finish(work.result)

    def _assembled(self, pages: list[PageResult]) -> DocumentResult:
        return assemble(pages, self._engine_name)

    def _folder_of(self, digest: str) -> WorkFolder:
        return WorkFolder(self._folder / digest)


def _ended(digest: str, result: DocumentResult) -> Work:
    done = result.page_count
    return Work(digest, page_count=done, pages_done=done, result=result)


def _worth_a_try(page: PageResult) -> bool:
    return page.error is not None and page.error.code in TRY_AGAIN
