"""The API as a process of its own, as operators run it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

START_SECONDS = 120


class ServeProcess:
    """`serve`, running.

    Attributes:
        log: the lines it has written so far.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.log: list[dict[str, Any]] = []
        self.url = ""
        self._seen = 0
        self._ended = False
        self._more = asyncio.Condition()
        # All the time: a program that nobody listens to stands still, and so does waiting for it.
        self._reading = asyncio.create_task(self._read())

    async def ready(self) -> None:
        """Wait until it listens."""
        line = await self.logged("listening on ")
        self.url = line["event"].removeprefix("listening on ")

    async def logged(self, beginning: str) -> dict[str, Any]:
        """Wait for a line of the log, later than the one that was waited for before."""
        async with asyncio.timeout(START_SECONDS), self._more:
            while True:
                for line in self.log[self._seen :]:
                    self._seen += 1
                    if line["event"].startswith(beginning):
                        return line
                if self._ended:
                    raise AssertionError(f"the log ended without {beginning!r}: {self.log}")
                await self._more.wait()

    async def end(self, number: signal.Signals) -> int:
        """Send a signal, wait for the end, and return the exit code."""
        self.process.send_signal(number)
        async with asyncio.timeout(START_SECONDS):
            await self._reading
            return await self.process.wait()

    async def kill(self) -> None:
        """End it if it still runs, and wait until everything that writes to its log has ended."""
        if self.process.returncode is None:
            self.process.kill()
        await self._reading
        await self.process.wait()

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for text in self.process.stderr:
            self.log.append(json.loads(text))
            async with self._more:
                self._more.notify_all()
        async with self._more:
            self._ended = True
            self._more.notify_all()


def fresh_connections(url: str) -> httpx.AsyncClient:
    """Return a client that makes a new connection for each request, so that any worker gets it."""
    return httpx.AsyncClient(
        base_url=url,
        timeout=90,
        trust_env=False,
        verify=False,  # there is no TLS, and loading certificates takes longer than the tests
        limits=httpx.Limits(max_keepalive_connections=0),
    )


async def accepts(url: str) -> bool:
    """Return whether anything listens there."""
    host, port = url.removeprefix("http://").split(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except ConnectionError:
        return False
    writer.close()
    return True


def environment() -> dict[str, str]:
    """Return the environment for a child that imports what this process imports."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


@asynccontextmanager
async def serve_process(
    config: Path, *options: str, open_files: int | None = None
) -> AsyncIterator[ServeProcess]:
    """Run `serve` until the block ends, at the latest. See `start_serve`."""
    running = ServeProcess(await start_serve(config, *options, open_files=open_files))
    try:
        await running.ready()
        yield running
    finally:
        await running.kill()


async def start_serve(
    config: Path, *options: str, open_files: int | None = None
) -> asyncio.subprocess.Process:
    """Start `serve`, whose standard error is a pipe.

    Args:
        open_files: how many the process may have; None for as many as this one.
    """
    limited = () if open_files is None else ("sh", "-c", f'ulimit -n {open_files}; exec "$0" "$@"')
    return await asyncio.create_subprocess_exec(
        *limited,
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
