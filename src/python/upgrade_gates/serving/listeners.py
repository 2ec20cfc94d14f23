"""Which processes of this machine listen on a TCP port? From /proc, as proc(5) describes it."""

from __future__ import annotations

import os
from pathlib import Path

_LISTEN = "0A"
"""The kernel's state of a listening socket (include/net/tcp_states.h)."""

_TABLES = ("net/tcp", "net/tcp6")
_SOCKET = "socket:["


def listening_processes(port: int, proc: Path = Path("/proc")) -> frozenset[int]:
    """Return the ids of the processes that hold a listening socket of this port.

    Sockets of other users' processes are hidden from everybody but root, so nothing may be found.
    """
    sockets = frozenset(
        f"{_SOCKET}{inode}]" for table in _TABLES for inode in _inodes(proc / table, port)
    )
    if not sockets:
        return frozenset()
    return frozenset(
        int(folder.name)
        for folder in proc.iterdir()
        if folder.name.isdecimal() and not sockets.isdisjoint(_open_sockets(folder / "fd"))
    )


def _inodes(table: Path, port: int) -> list[str]:
    """Return the inodes of the listening sockets in a table, whatever address they are bound to."""
    try:
        lines = table.read_text(encoding="ascii").splitlines()[1:]
    except OSError:  # a kernel without IPv6 has no tcp6
        return []
    rows = [line.split() for line in lines]
    return [
        row[9]
        for row in rows
        if len(row) > 9 and row[3] == _LISTEN and int(row[1].rpartition(":")[2], 16) == port
    ]


def _open_sockets(folder: Path) -> set[str]:
    """Return the links of a process's open sockets; none where they are hidden, or it has ended."""
    found = set()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    link = os.readlink(entry.path)
                except OSError:  # closed since the folder was listed
                    continue
                if link.startswith(_SOCKET):
                    found.add(link)
    except OSError:
        return set()
    return found
