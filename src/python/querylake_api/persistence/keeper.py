"""A small process that ends the embedded PostgreSQL when nobody is left to do it.

Whoever leaves last stops the server. But all of its users may be killed at once, and PostgreSQL
runs in a session of its own: it would go on for ever, and hold memory and its folder. So a keeper
is started beside it, which sleeps on the users' lock until the kernel has released the last of
them. Killing the keeper costs nothing but this: the next start makes another one.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from querylake_api.persistence.folder_users import FolderUsers, open_lock
from querylake_api.persistence.postmaster import end_postmaster, find_postmaster

_PAUSE_SECONDS = 1.0
_ROOT = Path(__file__).parents[2]
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); from {module} import keep; keep(sys.argv[2])"
)


def ensure_keeper(folder: Path) -> None:
    """Start a keeper for a data folder unless there is one. To be called by a user of it."""
    if not _vacant(folder):
        return
    program = _PROGRAM.format(module=__name__)
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.posix_spawn(
            sys.executable,
            # Isolated, and without site-packages: it needs little memory and depends on nothing.
            [sys.executable, "-I", "-S", "-c", program, str(_ROOT), str(folder)],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, null, number) for number in range(3)],
            setsid=True,
        )
    finally:
        os.close(null)


def keep(name: str) -> None:
    """Wait until a data folder's server belongs to nobody, and end it. Runs as a program."""
    os.chdir("/")
    # Whoever started this has made the files. Where they are gone, so is the folder.
    with suppress(FileNotFoundError):
        _keep(Path(name))


def _keep(folder: Path) -> None:
    lock = _lock(folder, make=False)
    if lock is None:
        return
    users = FolderUsers(folder, make=False)
    while True:
        users.wait_for_the_last()
        with users.alone():
            if users.is_unused():
                server = find_postmaster(folder)
                if server is not None:
                    end_postmaster(server.pid, folder)
                # Within `alone`: a user that comes now starts another keeper.
                os.close(lock)
                return
        time.sleep(_PAUSE_SECONDS)


def _vacant(folder: Path) -> bool:
    lock = _lock(folder)
    if lock is None:
        return False
    os.close(lock)
    return True


def _lock(folder: Path, *, make: bool = True) -> int | None:
    """Take the lock that a folder's keeper holds; None if there is a keeper."""
    lock = open_lock(folder, "keeper", make=make)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock
