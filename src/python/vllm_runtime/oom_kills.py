"""How often the kernel has killed a process for lack of memory, as far as this process may know."""

from __future__ import annotations

from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
VMSTAT = Path("/proc/vmstat")


def oom_kills(cgroup: Path = CGROUP, vmstat: Path = VMSTAT) -> int | None:
    """Return the count of our control group, else that of the machine; None if neither is kept.

    The machine's also counts kills in other control groups, so a rise says something only together
    with a process of ours that was killed.
    """
    own = _own_group(cgroup)
    for file in (own / "memory.events", vmstat):
        count = _field(file, "oom_kill")
        if count is not None:
            return count
    return None


def _own_group(cgroup: Path) -> Path:
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return cgroup
    path = next((line[3:] for line in lines if line.startswith("0::")), "/")
    return cgroup / path.lstrip("/")


def _field(file: Path, name: str) -> int | None:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        key, _, value = line.partition(" ")
        if key == name and value.isdecimal():
            return int(value)
    return None
