"""The API as a process of its own, as operators run it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

START_SECONDS = 120


@dataclass
class ServeProcess:
    """`serve`, running.

    Attributes:
        log: the lines it has written so far.
    """

    process: asyncio.subprocess.Process
    log: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    async def ready(self) -> None:
        """Wait until it listens."""
        async with asyncio.timeout(START_SECONDS):
            line = await self.logged("listening on ")
        self.url = line["event"].removeprefix("listening on ")

    async def logged(self, beginning: str) -> dict[str, Any]:
        """Wait for a line of the log."""
        assert self.process.stderr is not None
        async for text in self.process.stderr:
            line: dict[str, Any] = json.loads(text)
            self.log.append(line)
            if line["event"].startswith(beginning):
                return line
        raise AssertionError(f"the log ended without {beginning!r}: {self.log}")

    async def end(self, number: signal.Signals) -> int:
        """Send a signal, wait for the end, and return the exit code."""
        self.process.send_signal(number)
        async with asyncio.timeout(START_SECONDS):
            assert self.process.stderr is not None
            async for text in self.process.stderr:
                self.log.append(json.loads(text))
            return await self.process.wait()


def fresh_connections(url: str) -> httpx.AsyncClient:
    """Return a client that makes a new connection for each request, so that any worker gets it."""
    return httpx.AsyncClient(
        base_url=url,
        timeout=30,
        trust_env=False,
        verify=False,  # there is no TLS, and loading certificates takes longer than the tests
        limits=httpx.Limits(max_keepalive_connections=0),
    )


def environment() -> dict[str, str]:
    """Return the environment for a child that imports what this process imports."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


@asynccontextmanager
async def serve_process(
    config: Path, *options: str, wait: bool = True
) -> AsyncIterator[ServeProcess]:
    """Run `serve` until the block ends, at the latest.

    Args:
        wait: give it only when it listens.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "querylake_api",
        "serve",
        "--config",
        str(config),
        *options,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
    )
    running = ServeProcess(process)
    try:
        if wait:
            await running.ready()
        yield running
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
