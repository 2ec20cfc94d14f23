"""Whether anything listens where a cluster is said to be."""

from __future__ import annotations

import os
import socket

from querylake_api.ray_serve.errors import ClusterUnreachable

SECONDS = 5.0

_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
"""Ray takes these for the address by which others reach this machine."""


def reach(address: str) -> None:
    """Find out, before Ray does: it asks on for a quarter of an hour.

    Args:
        address: host:port, with or without `ray://`. What is none, Ray looks for by itself.

    Raises:
        ClusterUnreachable: nothing listens there.
    """
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS", address)
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        _connect(host.strip("[]"), int(port))
    except OSError as error:
        raise ClusterUnreachable(address, error.strerror or str(error)) from None


def _connect(host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), SECONDS).close()
    except OSError:
        if host not in _THIS_MACHINE:
            raise
        # Here, because importing Ray takes longer than any other command.
        from ray.util import get_node_ip_address

        ours = get_node_ip_address()  # type: ignore[no-untyped-call]
        socket.create_connection((ours, port), SECONDS).close()
