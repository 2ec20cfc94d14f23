"""Who may connect to the embedded PostgreSQL: the user that it runs as, and root.

The server asks the kernel who is at the other end of a connection (`peer`). That holds wherever the
socket is, and needs no password. Besides, the socket lies in a folder that is closed to others.
https://www.postgresql.org/docs/current/auth-peer.html
"""

from __future__ import annotations

import os
import pwd
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

_MAP = "querylake"
_HEADER = "# Written by QueryLake whenever it starts the server; changes made here are lost.\n"
_LONGEST_SOCKET = 100
"""Bytes. A socket's path has room for 107 on Linux and 103 on macOS; see unix(7)."""

_PRIVATE = 0o700


class SocketFolderTaken(RuntimeError):
    """The folder for the socket is not ours alone."""


def close_to_others(folder: Path, account: pwd.struct_passwd) -> bool:
    """Write the rules of a data folder, whoever wrote them before. Returns whether they changed."""
    rules = (
        f"{_HEADER}local all         all peer map={_MAP}\nlocal replication all peer map={_MAP}\n"
    )
    names = dict.fromkeys((account.pw_name, "root"))
    who = _HEADER + "".join(f'{_MAP} "{name}" all\n' for name in names)
    # The names first: rules without them let nobody in.
    changed = _write(folder / "pg_ident.conf", who, account)
    return _write(folder / "pg_hba.conf", rules, account) or changed


def socket_folder(folder: Path, account: pwd.struct_passwd) -> Path:
    """Return where the socket is to be: in the data folder, or if that is too long, in a new one.

    A new one has a name that nobody can foresee, and occupy, and is remembered, so that a server
    that is started again is found at the same place.

    Raises:
        SocketFolderTaken: somebody else has put something there.
    """
    if len(os.fsencode(folder)) + len("/.s.PGSQL.5432") <= _LONGEST_SOCKET:
        return folder
    note = folder / "querylake_socket_folder"
    if note.exists():
        chosen = Path(note.read_text())
        with suppress(FileExistsError):
            chosen.mkdir(mode=_PRIVATE)
            _give(chosen, account)
    else:
        chosen = Path(tempfile.mkdtemp(prefix="querylake-", dir=_short_base()))
        _give(chosen, account)
        _write(note, str(chosen), account)
    found = chosen.lstat()
    if (
        not stat.S_ISDIR(found.st_mode)
        or found.st_uid != account.pw_uid
        or stat.S_IMODE(found.st_mode) != _PRIVATE
    ):
        raise SocketFolderTaken(
            f"{chosen}, where its socket was to be, is not a folder of user {account.pw_name} "
            f"alone; remove it, or delete {note} to have another one made"
        )
    return chosen


def _give(folder: Path, account: pwd.struct_passwd) -> None:
    """Give what root has just made to the user that the server runs as."""
    if os.geteuid() == 0:
        os.chown(folder, account.pw_uid, account.pw_gid, follow_symlinks=False)


def _short_base() -> Path:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and len(runtime) <= _LONGEST_SOCKET // 2 and os.access(runtime, os.W_OK):
        return Path(runtime)
    given = tempfile.gettempdir()
    return Path(given if len(given) <= _LONGEST_SOCKET // 2 else "/tmp")


def _write(path: Path, text: str, account: pwd.struct_passwd) -> bool:
    if path.exists() and path.read_text() == text:
        return False
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    # Never through a link: root writes into the folder of another user.
    file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(file, "w", encoding="utf-8") as writing:
        writing.write(text)
        if os.geteuid() == 0:
            os.fchown(file, account.pw_uid, account.pw_gid)
    unfinished.rename(path)
    return True
