"""What all connections of one server share: limits, and who is closed when they are too many.

Each file descriptor that a client holds is one that an engine's connection, the ledger or the
database cannot have. So their number is bounded with a reserve, and clients that ask for nothing
make room for clients that do.
"""

# compiled: runs for each request.

from __future__ import annotations

import logging
import resource
import time
from dataclasses import dataclass
from typing import Final, Protocol

RESERVED_FILES: Final = 64
"""Files that a process needs beside connections: database, ledger, tables, logs, the event loop."""

MOST_FILES: Final = 65536
"""File descriptors that a process asks for where the hard limit allows more than the soft one."""

_LOG_SECONDS: Final = 10.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a client may take of a server.

    Attributes:
        head_bytes: of a request's first line and headers together.
        head_seconds: from a head's first byte to its last.
        send_seconds: for which a client may take nothing of what was sent to it.
        connections: open at once; 0 means no limit.
    """

    head_bytes: int = 64 * 1024
    head_seconds: float = 30.0
    send_seconds: float = 60.0
    connections: int = 0


class Closable(Protocol):
    """A connection that asks for nothing now."""

    def close(self) -> None:
        """Close it."""
        ...


class Connections:
    """The limits, and the connections that could be closed, those that are idle longest first.

    Attributes:
        limits: the same for all.
        idle: connections without a request in progress; a dictionary for its order.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self.idle: dict[Closable, None] = {}
        self._told_at = float("-inf")
        self._refused = 0

    def admit(self, open_connections: int) -> bool:
        """Return whether a new connection may stay; an idle one is closed for it if need be.

        Args:
            open_connections: with the new one.
        """
        most = self.limits.connections
        if not most or open_connections <= most:
            return True
        for connection in self.idle:
            connection.close()
            self.idle.pop(connection, None)
            self._tell("idle ones are closed to make room")
            return True
        self._refused += 1
        self._tell(f"{self._refused} clients were answered 503 so far, since none is idle")
        return False

    def _tell(self, consequence: str) -> None:
        now = time.monotonic()
        if now - self._told_at < _LOG_SECONDS:
            return
        self._told_at = now
        _log.warning(
            "%d client connections are open, which is the limit; %s. Raise server.max_connections "
            "and the limit of open files (LimitNOFILE or `ulimit -n`), or start more workers",
            self.limits.connections,
            consequence,
        )


def raise_open_files() -> int:
    """Ask for as many file descriptors as this process may have, and return how many it has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return MOST_FILES if soft == resource.RLIM_INFINITY else soft


def connections_for(open_files: int) -> int:
    """Return how many clients may be connected with a number of file descriptors.

    Each may need a second one, to an engine, and the rest of the process needs some too.
    """
    return max(1, (open_files - RESERVED_FILES) // 2)
