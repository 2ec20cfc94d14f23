"""PostgreSQL in a folder: started on first use, shared by processes, stopped by the last to leave.

Beside the data folder are the locks that its users hold: see `folder_users`. A server that ends
while it is used is started again; one whose users were all killed is ended by its `keeper`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pwd
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from sqlalchemy import URL

from querylake_api.persistence.errors import EmbeddedPostgresFailed
from querylake_api.persistence.folder_users import FolderUsers, open_lock
from querylake_api.persistence.keeper import ensure_keeper
from querylake_api.persistence.postgres_access import (
    SocketFolderTaken,
    close_to_others,
    socket_folder,
)
from querylake_api.persistence.postgres_programs import (
    SUPERUSER,
    VERSION,
    PostgresProgramFailed,
    account_of,
    launch,
    let_in,
    make_cluster,
)
from querylake_api.persistence.postmaster import (
    Postmaster,
    end_postmaster,
    find_postmaster,
    is_zombie,
    strays,
    wait_for_orphans,
)

LOOK_SECONDS = 1.0
"""Between two looks whether the server still runs."""

LONGEST_PAUSE_SECONDS = 60.0
"""Between two attempts to start it again; doubled each time from the first second on."""

READY_SECONDS = 60.0
"""How long to wait for a server that somebody else has started."""

NEEDED_MEGABYTES = 64
"""Of disk, for a new database and what it writes first."""

_START_FAILURES = (
    OSError,
    KeyError,  # a user without a name
    ValueError,
    PostgresProgramFailed,
    SocketFolderTaken,
    subprocess.SubprocessError,
)
_log = logging.getLogger(__name__)


class EmbeddedPostgres:
    """A handle on the PostgreSQL of one folder. Methods that are not async block, for seconds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._users = FolderUsers(self.folder)

    def start(self) -> URL:
        """Start the server, or join the one that another process started.

        Returns:
            The URL of its maintenance database, without a driver.

        Raises:
            EmbeddedPostgresFailed: it does not start; the message names the folder and the log.
        """
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            with self._users.alone():
                server = self._joined()
        except _START_FAILURES as error:
            raise EmbeddedPostgresFailed(
                f"the embedded PostgreSQL in {self.folder} does not start: {_reason(error)}"
                f"{_shortage(self.folder)}. "
                f"Its own words are in {self.folder / 'log'}"
            ) from error
        return URL.create(
            "postgresql",
            username=SUPERUSER,
            database="postgres",
            query={"host": str(server.socket_dir), "port": str(server.port)},
        )

    def stop(self) -> None:
        """Let go of the server; it stops if nobody else uses it."""
        with self._users.alone():
            if self._users.leave() and (server := find_postmaster(self.folder)):
                end_postmaster(server.pid, self.folder)

    async def keep_running(self) -> None:
        """Start the server again whenever it has ended, until cancelled.

        Every process that uses it does so. The first one starts it, while the others wait for the
        lock and then find it running.
        """
        pause = LOOK_SECONDS
        while True:
            await asyncio.sleep(pause)
            if find_postmaster(self.folder) is not None:
                pause = LOOK_SECONDS
                continue
            _log.error("the embedded PostgreSQL in %s has ended; starting it again", self.folder)
            try:
                await asyncio.to_thread(self.start)
            except EmbeddedPostgresFailed as error:
                pause = min(LONGEST_PAUSE_SECONDS, 2 * pause)
                _log.error("%s; the next attempt is in %g s", error, pause)
            else:
                pause = LOOK_SECONDS
                _log.warning("the embedded PostgreSQL in %s runs again", self.folder)

    def _joined(self) -> Postmaster:
        is_new = self._users.join()
        try:
            server = self._running()
            ensure_keeper(self.folder)
        except _START_FAILURES:
            if is_new:
                self._users.leave()
            raise
        return server

    def _running(self) -> Postmaster:
        account = account_of(self.folder)
        let_in(self.folder, account)
        self._make_unless_there(account)
        changed = close_to_others(self.folder, account)
        found = find_postmaster(self.folder)
        if found is None:
            self._forget_the_dead()
            launch(self.folder, socket_folder(self.folder, account), account)
        elif changed:
            # Another version started it, whose rules let everybody in.
            os.kill(found.pid, signal.SIGHUP)
        return self._until_ready()

    def _make_unless_there(self, account: pwd.struct_passwd) -> None:
        unfinished = self.folder.parent / f"{self.folder.name}.unfinished"
        if unfinished.exists() and self.folder.exists():
            # Its making was cut short, by a kill or a full disk: nothing was ever stored in it.
            _empty(self.folder)
        version = self.folder / "PG_VERSION"
        if version.exists():
            if version.read_text().strip() != str(VERSION):
                raise ValueError(
                    f"it holds data of PostgreSQL {version.read_text().strip()}, and this version "
                    f"of QueryLake works with {VERSION}"
                )
            return
        for stray in strays(self.folder):
            end_postmaster(stray, self.folder)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        if any(self.folder.iterdir()):
            raise ValueError("it is neither empty nor a PostgreSQL data folder")
        if os.geteuid() == 0 and self.folder.stat().st_uid == 0:
            os.chown(self.folder, account.pw_uid, account.pw_gid, follow_symlinks=False)
        os.close(open_lock(self.folder, "unfinished"))
        make_cluster(self.folder, account)
        unfinished.unlink()

    def _forget_the_dead(self) -> None:
        """Remove a `postmaster.pid` that would keep a server from starting, though its own is dead.

        PostgreSQL starts if no process has the number. Here it belongs to a process of another
        kind, or to a zombie: in a container, often nobody takes note of the end of orphans.
        """
        wait_for_orphans(self.folder)
        note = self.folder / "postmaster.pid"
        with suppress(OSError, ValueError):
            pid = int(note.read_text().split("\n", 1)[0])
            # Unless others use it: it may be the server of another container, where processes have
            # other numbers, and to start a second one on its data would destroy them.
            taken = Path("/proc", str(pid)).exists() and self._users.is_only_one()
            if is_zombie(pid) or taken:
                note.unlink()

    def _until_ready(self) -> Postmaster:
        give_up_at = time.monotonic() + READY_SECONDS
        while time.monotonic() < give_up_at:
            server = find_postmaster(self.folder)
            if server is not None and server.ready:
                return server
            time.sleep(0.05)
        raise PostgresProgramFailed(f"it accepts no connections after {READY_SECONDS:g} s")


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _shortage(folder: Path) -> str:
    """Return a clause if the disk is nearly full, which the programs tell in many ways."""
    with suppress(OSError):
        free = shutil.disk_usage(folder.parent).free // 2**20
        if free < NEEDED_MEGABYTES:
            return f"; {free} MB are free there, and it needs {NEEDED_MEGABYTES}"
    return ""


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)
