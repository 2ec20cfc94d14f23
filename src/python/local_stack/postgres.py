"""Stopping the embedded PostgreSQL when the API died before it could.

PostgreSQL runs in a session of its own. The API stops it on every orderly way out, and its keeper
does when the API was killed, unless the keeper was killed as well.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

STOP_SECONDS = 10.0
_PAUSE_SECONDS = 0.05


async def stop_left_over(folder: Path, seconds: float = STOP_SECONDS) -> int | None:
    """Stop the server of a data folder if it runs and no living process uses it.

    Returns:
        The process id of a server that still runs after that, or None.
    """
    pid = _postmaster(folder)
    if pid is None or _is_used(folder) or not await asyncio.to_thread(_serves, pid, folder):
        return None
    with suppress(ProcessLookupError):
        # "Fast shutdown": open transactions are rolled back, the data is written.
        # https://www.postgresql.org/docs/current/server-shutdown.html
        os.kill(pid, signal.SIGINT)
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while _is_alive(pid):
                await asyncio.sleep(_PAUSE_SECONDS)
    return pid if _is_alive(pid) else None


def _postmaster(folder: Path) -> int | None:
    """Return the process that `postmaster.pid` names in its first line."""
    try:
        return int((folder / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def _is_used(folder: Path) -> bool:
    """Return whether a living process holds the lock that users of a data folder share."""
    try:
        with (folder.parent / f"{folder.name}.users").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _serves(pid: int, folder: Path) -> bool:
    """Return whether a process is the server of a folder: numbers are given out again."""
    try:
        command = subprocess.run(
            ["ps", "-ww", "-o", "command=", "-p", str(pid)],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return False
    return "postgres" in command.stdout and str(folder.resolve()) in command.stdout


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
