"""The socket that clients connect to."""

from __future__ import annotations

import errno
import os
import socket

from cpu_runtime.errors import AddressUnusable

BACKLOG = 2048
_LOOPBACK = ("127.", "::1")


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Port 0 picks one.

    Raises:
        AddressUnusable: the port is taken, or the address is not one of this machine's.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise AddressUnusable(f"--host {host!r} cannot be resolved: {error.strerror}") from None
    listener = socket.socket(family, kind)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise AddressUnusable(
                f"port {port} on {host} is in use by another program; stop it, or choose another "
                "port with --port"
            ) from None
        reason = os.strerror(error.errno or 0)
        raise AddressUnusable(f"cannot listen on {host} port {port}: {reason}") from None
    return listener


def is_private(listener: socket.socket) -> bool:
    """Return whether only this machine can connect."""
    return str(listener.getsockname()[0]).startswith(_LOOPBACK)


def url_of(listener: socket.socket) -> str:
    """Return the address as a URL."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
