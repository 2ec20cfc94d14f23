"""One program that we started: its output, its end, and its being stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bounded_process.output_lines import lines_of, open_pipe
from local_stack import parent_death
from local_stack.errors import ChildFailed
from local_stack.layout import shown
from local_stack.log_file import LogFile

TAIL_LINES = 30
"""How much of a program's output is kept to be shown if it fails."""

_OUR_OWN = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP")
_LAST_OUTPUT_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Program:
    """What to start, and how to speak of it.

    Attributes:
        name: one short word.
        title: how a sentence names it, such as `the API`.
        stop_seconds: how long it may take to stop before it is killed.
    """

    name: str
    title: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    stop_seconds: float


class Child:
    """A running program, in a session and process group of its own.

    A terminal's Ctrl-C thus reaches only us, and we decide in which order children stop.
    """

    def __init__(
        self,
        program: Program,
        process: Process,
        log: LogFile,
        output: asyncio.StreamReader,
        show: Callable[[str], None],
        result: asyncio.StreamReader | None = None,
    ) -> None:
        self.program = program
        self.pid = process.pid
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._process = process
        self._show = show
        self._log = log
        self.result = b""
        """What it wrote to standard output, if that was asked for; complete when it has ended."""
        self._reading = [asyncio.create_task(self._read(output))]
        if result is not None:
            self._reading.append(asyncio.create_task(self._keep(result)))
        self.ended = asyncio.create_task(self._end())
        """Done when the program has ended and its last words were read; gives its exit code."""

    @classmethod
    async def start(
        cls, program: Program, show: Callable[[str], None], *, keep_result: bool = False
    ) -> Child:
        """Start a program.

        Args:
            show: called with every line of its output; must not raise.
            keep_result: keep standard output in `result`, and out of the log.

        Raises:
            ChildFailed: the system refuses.
        """
        log = LogFile(program.log)
        # Not asyncio's own pipes: with those, waiting for the end may also wait for whoever else
        # inherited them.
        output, stderr = await open_pipe()
        result, stdout = await open_pipe() if keep_result else (None, os.dup(stderr))
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", parent_death.__file__, str(os.getpid())),
                *program.command,
                stdin=DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env=program.environment,
                cwd=program.folder,
                start_new_session=True,
            )
        except OSError as error:
            raise ChildFailed(f"{program.title} cannot be started: {error.strerror}") from None
        finally:
            os.close(stdout)
            os.close(stderr)
        return cls(program, process, log, output, show, result)

    async def stop(self) -> None:
        """Ask it to stop, and kill it and everything in its group if that takes too long."""
        if not self.ended.done():
            # Only the program itself: it knows in which order its own children have to stop.
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
            with suppress(TimeoutError):
                async with asyncio.timeout(self.program.stop_seconds):
                    await asyncio.shield(self.ended)
        self.kill()
        await self.ended

    def kill(self) -> None:
        """Kill whatever is left of its process group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def failure(self, what: str) -> ChildFailed:
        """Return an error that ends `TITLE ...`, with the last words and where the rest is."""
        return ChildFailed(
            f"{self.program.title} {what}; its log is {shown(self.program.log)}",
            evidence=list(self.tail),
        )

    async def _end(self) -> int:
        code = await self._process.wait()
        await asyncio.wait(self._reading, timeout=_LAST_OUTPUT_SECONDS)
        for reading in self._reading:
            reading.cancel()
        self._log.close()
        return code

    async def _keep(self, result: asyncio.StreamReader) -> None:
        self.result = await result.read()

    async def _read(self, output: asyncio.StreamReader) -> None:
        logging = True
        async for line in lines_of(output):
            text = line.decode("utf-8", "replace").rstrip("\r")
            self.tail.append(text)
            self._show(text)
            if logging:
                try:
                    self._log.write(line)
                except OSError as error:
                    logging = False
                    self._show(f"(no longer logged to {self.program.log}: {error.strerror})")


def clean_environment() -> dict[str, str]:
    """Return our environment without what says where our own modules are."""
    return {name: value for name, value in os.environ.items() if name not in _OUR_OWN}


def ending(code: int) -> str:
    """Return how a sentence says that a program ended with an exit code."""
    if code >= 0:
        return f"ended with exit code {code}"
    hint = ", as the kernel does when memory runs out" if -code == signal.SIGKILL else ""
    return f"was ended by signal {-code} ({signal.strsignal(-code)}){hint}"
