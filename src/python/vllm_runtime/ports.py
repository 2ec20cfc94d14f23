"""Whether a port can be had, asked before anything slow is started."""

from __future__ import annotations

import errno
import socket

from vllm_runtime.errors import PortUnavailable


def require_free_port(host: str, port: int, option: str) -> None:
    """Check that a program could listen on an address now.

    Args:
        option: the command-line option that names the port, for the message.

    Raises:
        PortUnavailable: it could not.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            # Two sockets may be bound to one port as long as neither listens.
            probe.listen(1)
    except OSError as error:
        raise port_unavailable(host, port, option, error) from None


def port_unavailable(host: str, port: int, option: str, error: OSError) -> PortUnavailable:
    """Return the error for a port that the system refuses."""
    if error.errno == errno.EADDRINUSE:
        reason = "is in use by another program; stop that one"
    else:
        reason = f"cannot be used ({error.strerror}); correct the address"
    return PortUnavailable(f"port {port} on {host} {reason}, or give another with {option}")
