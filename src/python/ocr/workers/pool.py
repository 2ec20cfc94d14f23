"""Worker processes: as many pages at a time as there are of them, and none that cannot be ended."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from pathlib import Path

from ocr.conversion.result import PageResult, failed_page
from ocr.conversion_options import ConversionOptions
from ocr.errors import DocumentBroken, EngineFailed, PageTimedOut, ReaderBroke
from ocr.workers import worker as worker_program
from ocr.workers.messages import LENGTH, Answer, Refusal, Task

GRACE_SECONDS = 10.0
"""Beyond the page's own limit, which is looked at between steps: a step may hang."""

COUNT_SECONDS = 60.0
"""For opening a document and counting its pages."""

PAGES_PER_WORKER = 200
"""Then a worker is replaced, and takes with it what native libraries did not give back."""

GIB = 1024**3


class WorkerLost(Exception):
    """A worker ended, or was ended, before it had answered."""


class Workers:
    """A number of worker processes, started when they are needed.

    Args:
        memory: bytes that each may have; the embedded engine needs half a GiB.
    """

    def __init__(self, count: int, memory: int) -> None:
        self._lost = (
            "the process that read it ended before its time; it may need more memory than the "
            f"{memory / GIB:g} GiB that --memory allows"
        )
        self._idle: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()
        self._all = [_Worker(memory) for _ in range(count)]
        for worker in self._all:
            self._idle.put_nowait(worker)
        self.count = count

    async def pages(self, document: Path, options: ConversionOptions) -> tuple[int, ...] | Refusal:
        """Return which pages a conversion would have, or why there can be none."""
        try:
            found = await self._ask(Task(document, options, None), COUNT_SECONDS)
        except WorkerLost:
            return Refusal(DocumentBroken.code, f"it cannot be opened: {self._lost}")
        except TimeoutError:
            return Refusal(
                DocumentBroken.code, f"it cannot be opened: that took more than {COUNT_SECONDS:g} s"
            )
        assert not isinstance(found, PageResult)
        return found

    async def page(self, document: Path, options: ConversionOptions, number: int) -> PageResult:
        """Return one page. Whatever it does to the worker is an error of that page."""
        seconds = options.limits.seconds
        try:
            found = await self._ask(Task(document, options, number), seconds + GRACE_SECONDS)
        except WorkerLost:
            return failed_page(number, ReaderBroke(self._lost))
        except TimeoutError:
            return failed_page(
                number, PageTimedOut(f"it took longer than the limit of {seconds:g} s")
            )
        if isinstance(found, Refusal):
            return failed_page(number, EngineFailed(found.message))
        assert isinstance(found, PageResult)
        return found

    async def close(self) -> None:
        """End every worker."""
        await asyncio.gather(*(worker.end() for worker in self._all))

    async def _ask(self, task: Task, seconds: float) -> Answer:
        worker = await self._idle.get()
        try:
            async with asyncio.timeout(seconds):
                return await worker.ask(task)
        except BaseException:
            # It may still be at work, or be no more.
            await asyncio.shield(worker.end())
            raise
        finally:
            self._idle.put_nowait(worker)


class _Worker:
    """One process at a time."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._process: Process | None = None
        self._pages = 0

    async def ask(self, task: Task) -> Answer:
        """Return the answer to a task.

        Raises:
            WorkerLost: the process ended.
        """
        if self._pages >= PAGES_PER_WORKER:
            await self.end()
        if self._process is None:
            self._process = await self._start()
        self._pages += 1
        content = pickle.dumps(task)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(LENGTH.pack(len(content)) + content)
            await self._process.stdin.drain()
            head = await self._process.stdout.readexactly(LENGTH.size)
            answer: Answer = pickle.loads(
                await self._process.stdout.readexactly(LENGTH.unpack(head)[0])
            )
        except (asyncio.IncompleteReadError, ConnectionError):
            raise WorkerLost from None
        return answer

    async def end(self) -> None:
        """End the process, whatever it does."""
        process, self._process, self._pages = self._process, None, 0
        if process is not None:
            if process.returncode is not None:
                return  # reaped; its id may be another process by now
            # Not `process.kill()`: it looks first whether the process has ended, and reaps it if it
            # has. asyncio, which waits for it as well, then finds no such child.
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            await process.wait()

    async def _start(self) -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", "-m", worker_program.__name__, str(self._memory)),
            stdin=PIPE,
            stdout=PIPE,
            # It has to import what we import, however that came onto our path.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
