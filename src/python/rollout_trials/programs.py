"""Programs that run as long as a trial needs them, each in a session of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rollout_trials.errors import ProgramFailed

START_SECONDS = 300.0
STOP_SECONDS = 20.0
_LAST_LINES = 15


@dataclass
class Program:
    """One program.

    Attributes:
        name: how sentences call it.
        log: the file that has its output.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    environment: Mapping[str, str]
    process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Its process."""
        assert self.process is not None, "it was started"
        return self.process.pid

    async def start(self) -> None:
        """Start it, or start it again.

        Raises:
            ProgramFailed: the system refuses.
        """
        with self.log.open("ab") as output:
            try:
                self.process = await asyncio.create_subprocess_exec(
                    *self.command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=self.environment,
                    cwd=self.log.parent,
                    start_new_session=True,
                )
            except OSError as error:
                raise ProgramFailed(f"{self.name} cannot be started: {error}") from None

    async def said(self, text: str) -> str:
        """Wait until its log has a line with a text, and return the line.

        Raises:
            ProgramFailed: it ended, or takes too long.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                while True:
                    for line in self.log.read_text(errors="replace").splitlines():
                        if text in line:
                            return line
                    if self.process is None or self.process.returncode is not None:
                        break
                    await asyncio.sleep(0.05)
        last = self.log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        raise ProgramFailed("\n".join([f"{self.name} did not say {text!r}:", *last]))

    async def stop(self) -> None:
        """Ask it to end, and kill what is left of it."""
        process = self.process
        if process is None:
            return
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await process.wait()
        await self.kill()

    async def kill(self) -> None:
        """Kill it and everything in its group with SIGKILL."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            await self.process.wait()


def pex(file: Path, *arguments: str) -> tuple[str, ...]:
    """Return the command that runs a PEX with the interpreter that runs us."""
    interpreter = Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")
    return (str(interpreter), str(file), *arguments)


def plain_environment(**more: str) -> dict[str, str]:
    """Return our environment without what says where our own modules are."""
    ours = ("PYTHONPATH", "PYTHONHOME", "PEX_PATH", "PEX_EXTRA_SYS_PATH", "PEX")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ours and not name.startswith("QUERYLAKE_")
    }
    return {**kept, "PYTHONUNBUFFERED": "1", **more}


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def children(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that they have."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "ppid=,pid="], capture_output=True, text=True, check=True
    )
    by_parent: dict[int, list[int]] = {}
    for line in listed.stdout.splitlines():
        parent, child = map(int, line.split())
        by_parent.setdefault(parent, []).append(child)
    found = list(by_parent.get(pid, []))
    for each in found:
        found += by_parent.get(each, [])
    return found


def signal_all(pids: Sequence[int], number: signal.Signals) -> None:
    """Send a signal to processes, those that have ended left out."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
