"""Ports for programs that a test starts, and that cannot be asked which one they got."""

from __future__ import annotations

import random
import socket

_RANGE = range(20_000, 32_000)
"""Below what Linux, macOS and IANA give to connections that go out. A port from among those is free
now, and may be a connection's, of the tests beside this one, before its program binds it."""


def free_port() -> int:
    """Return a port of loopback that nobody listens on, and that no connection gets by chance."""
    while True:
        port = random.choice(_RANGE)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
