"""The parent's side of an engine process."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress

from cpu_runtime.engine.order import Order, Started
from cpu_runtime.errors import EngineDied, ModelUnusable

_TAIL_BYTES = 8192
_CHUNK = 65536
_LAST_WORDS_SECONDS = 1.0


class EngineProcess:
    """An engine that was started, and that ends with us at the latest.

    Attributes:
        ended: done when the process has ended.
    """

    def __init__(self, order: Order, process: Process) -> None:
        self._order = order
        self._process = process
        self._tail = b""
        self._reading = asyncio.create_task(self._read())
        self.ended: asyncio.Task[int] = asyncio.create_task(process.wait())

    @classmethod
    async def start(cls, order: Order) -> EngineProcess:
        """Start a process and give it its order."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "cpu_runtime.engine.child",
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            # It has to import what we import, however that came onto our path.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        engine = cls(order, process)
        assert process.stdin is not None
        process.stdin.write(order.line())
        return engine

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    async def url(self) -> str:
        """Wait until the model is loaded, and return where the engine answers.

        Raises:
            ModelUnusable: llama.cpp cannot load the model.
        """
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if line:
            return Started.from_line(line).url
        await self.ended
        raise ModelUnusable(f"llama.cpp cannot load {self._order.file}: {await self._last_words()}")

    async def death(self) -> EngineDied:
        """Return how the process, which has ended, came to do so."""
        return EngineDied(
            f"the engine of {self._order.name} (process {self.pid}) ended by itself: "
            f"{await self._last_words()}"
        )

    async def stop(self) -> None:
        """End the process. It keeps nothing that would be lost."""
        if not self.ended.done():
            # Not `process.kill()`: it looks first whether the process has ended, and reaps it if it
            # has. asyncio, which waits for it as well, then finds no such child.
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        await self.ended
        self._reading.cancel()

    async def _last_words(self) -> str:
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                await asyncio.shield(self._reading)
        code = self.ended.result()
        if code < 0:
            return f"it was ended by {signal.Signals(-code).name}"
        return _first_error(self._tail.decode("utf-8", "replace")) or f"exit code {code}"

    async def _read(self) -> None:
        assert self._process.stderr is not None
        while chunk := await self._process.stderr.read(_CHUNK):
            self._tail = (self._tail + chunk)[-_TAIL_BYTES:]
            if self._order.verbose:
                with suppress(OSError):
                    sys.stderr.buffer.write(chunk)
                    sys.stderr.buffer.flush()


def _first_error(log: str) -> str:
    """Return the first thing that went wrong; what follows in llama.cpp's log is consequences.

    Its lines look like `0.00.083.536 E llama_model_load: error loading model: …`.
    """
    for line in log.splitlines():
        _, found, text = line.partition(" E ")
        if found:
            return text.strip().rstrip(".")
    return ""
