"""Who uses the PostgreSQL of a data folder: processes that hold a lock on a file beside it.

A lock ends with its process, however that ends, and is never inherited by who gets its process id
next. So there is no list to keep, and the dead cannot be taken for the living.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class FolderUsers:
    """The users of one data folder, and this process's part in them.

    Args:
        make: make the files that are locked, where they are missing; otherwise every method raises
            `FileNotFoundError`.
    """

    def __init__(self, folder: Path, *, make: bool = True) -> None:
        self._folder = folder
        self._make = make
        self._file: int | None = None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep all others from starting, joining, leaving or stopping the server meanwhile."""
        lock = self._open("lock")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def join(self) -> bool:
        """Become a user. Returns False if this is one already."""
        if self._file is not None:
            return False
        self._file = self._open("users")
        fcntl.flock(self._file, fcntl.LOCK_SH)
        return True

    def is_only_one(self) -> bool:
        """Return whether this process is the only user; to be called within `alone`."""
        if self._file is None:
            return self.is_unused()
        only = _no_one_holds(self._file)
        fcntl.flock(self._file, fcntl.LOCK_SH)
        return only and not _users_of_older_versions(self._folder)

    def leave(self) -> bool:
        """Be a user no more. Returns whether nobody else is one; to be called within `alone`."""
        if self._file is None:
            return False
        file, self._file = self._file, None
        try:
            return _no_one_holds(file) and not _users_of_older_versions(self._folder)
        finally:
            os.close(file)

    def wait_for_the_last(self) -> None:
        """Wait until there is no user; a new one may come right after."""
        file = self._open("users")
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        finally:
            os.close(file)

    def is_unused(self) -> bool:
        """Return whether there is no user; to be called within `alone`."""
        file = self._open("users")
        try:
            return _no_one_holds(file) and not _users_of_older_versions(self._folder)
        finally:
            os.close(file)

    def _open(self, suffix: str) -> int:
        return open_lock(self._folder, suffix, make=self._make)


def open_lock(folder: Path, suffix: str, *, make: bool = True) -> int:
    """Return a file beside a data folder that is there to be locked.

    Raises:
        FileNotFoundError: it is missing and not to be made.
    """
    path = folder.parent / f"{folder.name}.{suffix}"
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    while True:
        try:
            return os.open(path, flags)
        except FileNotFoundError:
            if not make:
                raise
        with suppress(FileExistsError):
            file = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
            if os.geteuid() == 0:
                # A command run by root must not lock out the user whose folder this is.
                owner = folder.parent.stat()
                os.fchown(file, owner.st_uid, owner.st_gid)
            return file


def _no_one_holds(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _users_of_older_versions(folder: Path) -> bool:
    """Return whether a living process is on the list that versions before the locks kept."""
    handles = folder / ".handle_pids.json"
    try:
        listed = json.loads(handles.read_text() or "[]")
        written_at = handles.stat().st_mtime
    except (OSError, ValueError):
        return False
    if any(_runs_since_before(pid, written_at) for pid in listed):
        return True
    handles.unlink(missing_ok=True)
    return False


def _runs_since_before(pid: int, moment: float) -> bool:
    """Return whether a process lives that is older: a younger one has only got the number."""
    try:
        # What follows the name, which may hold blanks and parentheses, begins with field 3; the
        # start, in ticks since boot, is field 22. See proc_pid_stat(5).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    since_boot = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    booted_at = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return fields[0] != "Z" and booted_at + since_boot <= moment
