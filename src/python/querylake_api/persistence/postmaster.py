"""The PostgreSQL server process of a data folder: whether it runs, which it is, and ending it.

A process id alone proves nothing: after a crash, or in a container, the number in `postmaster.pid`
may be somebody else's, even our own. A process counts as the folder's server only if it is a
`postgres` that was started for the folder and works in it.

Only the standard library is imported, since the keeper runs this code in a small process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

STOP_SECONDS = 30.0
"""For a fast shutdown, which writes the data; beyond that the next start recovers."""

_ABORT_SECONDS = 5.0
_PAUSE_SECONDS = 0.02
_PROC = Path("/proc")


class Postmaster(NamedTuple):
    """A running server.

    Attributes:
        socket_dir: where its socket is.
        ready: whether it accepts connections.
    """

    pid: int
    socket_dir: Path
    port: int
    ready: bool


def find_postmaster(folder: Path) -> Postmaster | None:
    """Return the server of a data folder, if it runs."""
    try:
        # The lines are described in PostgreSQL's src/include/utils/pidfile.h.
        lines = [line.strip() for line in (folder / "postmaster.pid").read_text().splitlines()]
        pid, port = int(lines[0]), int(lines[3])
    except (OSError, ValueError, IndexError):
        return None
    if not serves(pid, folder):
        return None
    return Postmaster(pid, Path(lines[4]), port, ready=lines[7:8] == ["ready"])


def serves(pid: int, folder: Path) -> bool:
    """Return whether a process is the server of a data folder."""
    if not _PROC.is_dir():
        command = _command_by_ps(pid)
        return "postgres" in command and str(folder) in command
    try:
        # The server changes into its folder. A zombie has no working directory.
        works_there = os.readlink(_PROC / str(pid) / "cwd") == str(folder)
    except OSError:
        return False
    return works_there and _started_for(pid, folder)


def strays(folder: Path) -> Iterator[int]:
    """Yield servers that were started for a data folder that was deleted while they ran."""
    for process in _PROC.glob("[0-9]*"):
        pid = int(process.name)
        if _started_for(pid, folder):
            yield pid


def is_zombie(pid: int) -> bool:
    """Return whether a process is a server's that has ended, and whose parent did not notice."""
    try:
        before, _, after = (_PROC / str(pid) / "stat").read_text().rpartition(")")
    except OSError:
        return False
    return before.endswith("(postgres") and after.split()[0] == "Z"


def wait_for_orphans(folder: Path, seconds: float = _ABORT_SECONDS) -> None:
    """Wait for the processes of a server that was killed: no other can start before they end.

    They notice by themselves, and soon.
    """
    give_up_at = time.monotonic() + seconds
    while time.monotonic() < give_up_at and any(_works_in(folder)):
        time.sleep(_PAUSE_SECONDS)


def end_postmaster(pid: int, folder: Path, seconds: float = STOP_SECONDS) -> None:
    """End a server and wait until it has ended: by a fast shutdown if that goes in time.

    https://www.postgresql.org/docs/current/server-shutdown.html
    """
    for number, patience in (
        (signal.SIGINT, seconds),
        (signal.SIGQUIT, _ABORT_SECONDS),
        (signal.SIGKILL, _ABORT_SECONDS),
    ):
        if _ended(pid, folder, number, patience):
            return


def _ended(pid: int, folder: Path, number: signal.Signals, patience: float) -> bool:
    give_up_at = time.monotonic() + patience
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return True
    while _started_for(pid, folder):
        if time.monotonic() >= give_up_at:
            return False
        time.sleep(_PAUSE_SECONDS)
    return True


def _works_in(folder: Path) -> Iterator[bool]:
    for process in _PROC.glob("[0-9]*"):
        with suppress(OSError):
            if os.readlink(process / "cwd") == str(folder):
                yield (process / "comm").read_text().strip() == "postgres"


def _started_for(pid: int, folder: Path) -> bool:
    if not _PROC.is_dir():
        return serves(pid, folder)
    try:
        words = (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    # Its children have another title, and a zombie has none.
    program = os.path.basename(words[0])
    return program == b"postgres" and os.fsencode(folder) in words


def _command_by_ps(pid: int) -> str:
    """Return the command of a process where there is no /proc."""
    found = subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout
