"""The engine's process: its output, its end, and the end of everything it started."""

from __future__ import annotations

import asyncio
import os
import re
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable

from bounded_process.output_lines import lines_of, open_pipe
from vllm_runtime.engine_command import SECRET_VARIABLES, Engine
from vllm_runtime.errors import EngineNotStarted
from vllm_runtime.log_evidence import LogEvidence
from vllm_runtime.process_family import ProcessFamily

_OWN_LOOKS = re.compile(r'"GET /(?:health|metrics|version|load) HTTP/1\.\d" 200')
"""Access log of our own looks: once a second it would push everything else out of the tail."""

_LAST_OUTPUT_SECONDS = 0.5
_REAPED_SECONDS = 10.0


class EngineProcess:
    """A running engine, in a session of its own.

    A terminal's Ctrl-C thus reaches only us, and we decide when the engine ends.

    Attributes:
        family: the engine and everything that it started.
        log: what its output has said so far.
        exited: done when the API server has ended; gives its exit code.
    """

    def __init__(
        self,
        process: Process,
        output: asyncio.StreamReader,
        show: Callable[[str], None],
        secrets: tuple[str, ...],
    ) -> None:
        self.pid = process.pid
        self.family = ProcessFamily(process.pid)
        self.log = LogEvidence()
        self._show = show
        self._secrets = secrets
        self._reading = asyncio.create_task(self._read(output))
        self.exited = asyncio.create_task(process.wait())

    @classmethod
    async def start(cls, engine: Engine, show: Callable[[str], None]) -> EngineProcess:
        """Start an engine.

        Args:
            show: called with every line of its output, secrets blotted out.

        Raises:
            EngineNotStarted: the system refuses.
        """
        # Not asyncio's own pipe: with that, waiting for the end may also wait for orphans, which
        # have inherited it.
        reader, writer = await open_pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *engine.command,
                stdin=DEVNULL,
                stdout=writer,
                stderr=writer,
                env=dict(engine.environment),
                start_new_session=True,
            )
        except OSError as error:
            raise EngineNotStarted(
                f"the engine {engine.command[0]} cannot be started: {error.strerror}"
            ) from None
        finally:
            os.close(writer)
        found = (engine.environment.get(name, "") for name in SECRET_VARIABLES)
        return cls(process, reader, show, tuple(secret for secret in found if secret))

    async def last_words(self) -> None:
        """After the exit: wait until its output was read. Orphans may keep it open."""
        await asyncio.wait([self._reading], timeout=_LAST_OUTPUT_SECONDS)

    async def end(self, term_seconds: float) -> int:
        """End the whole family: SIGTERM, and SIGKILL for whoever is left.

        Args:
            term_seconds: how long SIGTERM may take.

        Returns:
            How many processes had to be killed.
        """
        killed = await self.family.end(term_seconds)
        await asyncio.wait([self.exited], timeout=_REAPED_SECONDS)
        await self.last_words()
        self._reading.cancel()
        return killed

    async def _read(self, output: asyncio.StreamReader) -> None:
        async for line in lines_of(output):
            text = line.decode("utf-8", "replace").rstrip("\r")
            if _OWN_LOOKS.search(text):
                continue
            for secret in self._secrets:
                text = text.replace(secret, "***")
            self.log.feed(text, time.monotonic())
            self._show(text)
