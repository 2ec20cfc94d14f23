"""What can be known to fail before anything is started."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from local_stack.errors import AlreadyRunning, DataDirUnusable, DiskFull, PortUnavailable
from local_stack.layout import DataDir, shown

MEGABYTE = 1_000_000


def prepare_data_dir(data: DataDir) -> None:
    """Create the folder and its log folder if they are not there.

    Raises:
        DataDirUnusable: that is not possible.
    """
    try:
        data.logs.mkdir(parents=True, exist_ok=True)
        probe = data.root / f".writable.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise DataDirUnusable(
            f"the data folder {shown(data.root)} cannot be used: {error.strerror}; "
            "name another one with --data-dir"
        ) from None


@contextmanager
def exclusive(data: DataDir) -> Iterator[Callable[[str], None]]:
    """Be the only `up` on a data folder. The kernel lets go of the lock however we end.

    Gives a function that takes what others are told of us.

    Raises:
        AlreadyRunning: another one is at work; the message says which.
        DataDirUnusable: the folder's file system has no locks.
    """
    with data.lock.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise AlreadyRunning(
                f"`./querylake up` already runs on {shown(data.root)} ({holder}); use that one, "
                "stop it, or give this one another --data-dir and --port"
            ) from None
        except OSError as error:
            raise DataDirUnusable(
                f"{shown(data.lock)} cannot be locked: {error.strerror}; "
                "name a folder on a local disk with --data-dir"
            ) from None

        def announce(text: str) -> None:
            file.truncate(0)
            file.write(text)
            file.flush()

        announce(f"process {os.getpid()}")
        yield announce


def require_free_port(host: str, port: int, remedy: str) -> None:
    """Check that a program could listen on an address now.

    Args:
        remedy: what to do otherwise; ends the sentence.

    Raises:
        PortUnavailable: it could not.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            # Two sockets may be bound to one port as long as neither listens.
            probe.listen(1)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = "is in use by another program"
        else:
            reason = f"cannot be used: {error.strerror}"
        raise PortUnavailable(f"port {port} on {host} {reason}; {remedy}") from None


def free_port(host: str) -> int:
    """Return a port that nobody listens on. Somebody may take it before the caller does."""
    with socket.create_server((host, 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def require_space(folder: Path, megabytes: int, purpose: str, remedy: str) -> None:
    """Check that a disk has room. The folder need not exist yet.

    Raises:
        DiskFull: it has not.
    """
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(existing).free // MEGABYTE
    if free < megabytes:
        raise DiskFull(
            f"the disk of {shown(folder)} has {free} MB free and {purpose} needs about "
            f"{megabytes} MB; {remedy}"
        )
