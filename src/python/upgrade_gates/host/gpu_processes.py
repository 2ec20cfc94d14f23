"""Who computes on the GPUs: the driver's list of processes, and whose they are.

The owner, the name and the systemd unit come from /proc. Command lines are left alone on purpose:
they may hold keys, and a record is kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

COMMAND = (
    "nvidia-smi",
    "--query-compute-apps=pid,used_memory,gpu_uuid,process_name",
    "--format=csv,noheader,nounits",
)
"""The name comes last, because it may hold commas."""

SOURCE = ("nvidia-smi", "--query-compute-apps")
"""What the answer is filed under."""

ACCOUNT = ("getent", "passwd")
"""Followed by a user's number."""

_ROW = re.compile(r"\s*([0-9]{1,9})\s*,\s*([^,]*?)\s*,\s*([^,]*?)\s*,\s*(.*?)\s*")
_MIB = re.compile(r"[0-9]{1,9}")
_NAME = re.compile(r"^Name:[ \t]*(.*)$", re.MULTILINE)
_UID = re.compile(r"^Uid:[ \t]*([0-9]{1,10})\b", re.MULTILINE)
_ESCAPED = re.compile(r"\\x([0-9a-fA-F]{2})")


@dataclass(frozen=True, slots=True)
class ComputeApp:
    """A row of the driver's list. A process on two GPUs has two rows."""

    pid: int
    used_mib: int | None
    gpu_uuid: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class ComputeApps:
    """The driver's list, and the lines that are no rows."""

    rows: tuple[ComputeApp, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """What /proc/PID/status says of whose a process is."""

    name: str | None
    uid: int | None


@dataclass(frozen=True, slots=True)
class GpuUser:
    """A process on a GPU, with what is known of whose it is.

    Attributes:
        user: the account's name, or its number, or None if /proc does not tell.
        unit: the systemd service of the system that it belongs to, which can be stopped by name.
        container: the control group's container, if it looks like one.
    """

    pid: int
    name: str | None
    user: str | None
    unit: str | None
    container: str | None
    used_mib: int | None


@dataclass(frozen=True, slots=True)
class Membership:
    """What /proc/PID/cgroup says."""

    unit: str | None
    container: str | None


def status_path(pid: int) -> str:
    """Return where the kernel says whose a process is."""
    return f"/proc/{pid}/status"


def cgroup_path(pid: int) -> str:
    """Return where the kernel says which service or container a process belongs to."""
    return f"/proc/{pid}/cgroup"


def parse_compute_apps(text: str) -> ComputeApps:
    """Understand the list. Any text will do."""
    rows, unknown = [], []
    for line in text.splitlines():
        row = _ROW.fullmatch(line) if len(line) < 4096 else None
        if row is not None:
            used = int(row[2]) if _MIB.fullmatch(row[2]) else None
            rows.append(ComputeApp(int(row[1]), used, _word(row[3]), _word(row[4])))
        elif line.strip():
            unknown.append(line.strip())
    return ComputeApps(tuple(rows), tuple(unknown))


def parse_status(text: str) -> ProcessStatus:
    """Understand /proc/PID/status. Any text will do."""
    name, uid = _NAME.search(text), _UID.search(text)
    return ProcessStatus(name[1].strip() or None if name else None, int(uid[1]) if uid else None)


def parse_cgroup(text: str) -> Membership:
    """Understand /proc/PID/cgroup, of version 1 or 2. Any text will do.

    A service of the system is `/system.slice/NAME.service`; below a user's slice it belongs to that
    user and cannot be stopped as a service of the system.
    """
    for line in text.splitlines():
        parts = line.partition(":")[2].partition(":")[2].strip().split("/")
        container = next((found for part in parts if (found := _container(part))), None)
        if container is not None:
            return Membership(None, container)
        if "user.slice" not in parts and "system.slice" in parts:
            unit = next((part for part in parts if part.endswith(".service")), None)
            if unit is not None:
                return Membership(_unescaped(unit), None)
    return Membership(None, None)


def parse_passwd(text: str) -> Mapping[int, str]:
    """Return account names by number, from lines in the form of /etc/passwd. Any text will do."""
    accounts: dict[int, str] = {}
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) >= 3 and re.fullmatch(r"[0-9]{1,10}", fields[2]) and fields[0]:
            accounts.setdefault(int(fields[2]), fields[0])
    return accounts


def _container(part: str) -> str | None:
    """Return a container's short id, if a part of a control group's path names one."""
    found = re.fullmatch(
        r"(?:(?:docker|libpod|cri-containerd|crio)-)?([0-9a-f]{64})(?:\.scope)?", part
    )
    return found[1][:12] if found else None


def _unescaped(unit: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), unit)


def _word(text: str) -> str | None:
    return None if not text or text == "N/A" or text.startswith("[") else text
