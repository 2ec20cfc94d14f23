"""The machine that a check runs on, as records name it."""

from __future__ import annotations

import hashlib
import platform
import socket
from pathlib import Path

from upgrade_gates.evidence.statement import Host

MACHINE_ID = Path("/etc/machine-id")

SALT = "querylake evidence\n"
"""The id itself must not leave a machine, says machine-id(5), but a digest of it may."""


def this_host() -> Host:
    """Describe this machine."""
    return Host(
        name=socket.gethostname(),
        system=platform.system(),
        release=platform.release(),
        machine=platform.machine(),
        id=_machine_id(),
    )


def same_host(one: Host, other: Host) -> bool:
    """Return whether two descriptions are of one machine; a new kernel does not make another."""
    if one.id is not None and other.id is not None:
        return one.id == other.id
    return one.name == other.name


def host_digest(host: Host) -> str:
    """Return the digest by which a machine is the subject of a statement."""
    known = host.id or f"{host.name} {host.system} {host.machine}"
    return hashlib.sha256(f"{SALT}{known}".encode()).hexdigest()


def _machine_id() -> str | None:
    try:
        text = MACHINE_ID.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return hashlib.sha256(f"{SALT}{text}".encode()).hexdigest() if text else None
