"""Whether what listens where a cluster is said to be can be one."""

from __future__ import annotations

import os
import socket

from querylake_api.ray_serve.errors import ClusterUnreachable

SECONDS = 5.0

_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
"""Ray takes these for the address by which others reach this machine."""


_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""How HTTP/2 begins, in which gRPC is, and Ray with that: a preface, and settings that are empty.
https://www.rfc-editor.org/rfc/rfc9113#section-3.4"""

_HEAD_OF_FRAME = 9
_SETTINGS = 4


def reach(address: str) -> None:
    """Find out, before Ray does: it asks on for minutes, whatever the answers.

    Args:
        address: host:port, with or without `ray://`. What is none, Ray looks for by itself.

    Raises:
        ClusterUnreachable: nothing listens there, or something else.
    """
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS", address)
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        with _connected(host.strip("[]"), int(port)) as connection:
            if not _is_encrypted() and not _begins_as_grpc(connection):
                raise ClusterUnreachable(address, "what listens there is no Ray")
    except OSError as error:
        raise ClusterUnreachable(address, error.strerror or str(error)) from None


def _is_encrypted() -> bool:
    """Return whether Ray is told to use TLS, under which nothing can be seen from here."""
    return os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true")


def _begins_as_grpc(connection: socket.socket) -> bool:
    connection.sendall(_HELLO)
    head = b""
    try:
        while len(head) < _HEAD_OF_FRAME:
            piece = connection.recv(_HEAD_OF_FRAME - len(head))
            if not piece:
                return False
            head += piece
    except (TimeoutError, ConnectionResetError):
        return False
    return head[3] == _SETTINGS and head[5:] == bytes(4)


def _connected(host: str, port: int) -> socket.socket:
    try:
        return socket.create_connection((host, port), SECONDS)
    except OSError:
        if host not in _THIS_MACHINE:
            raise
        # Here, because importing Ray takes longer than any other command.
        from ray.util import get_node_ip_address

        ours = get_node_ip_address()  # type: ignore[no-untyped-call]
        return socket.create_connection((ours, port), SECONDS)
