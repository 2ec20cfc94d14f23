"""Processes: started on one core, measured by what the kernel has counted, ended by pid."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a family of processes has used.

    Attributes:
        cpu: seconds of processor time, user and system.
        rss: bytes resident now.
    """

    cpu: float
    rss: int


def family(root: int) -> list[int]:
    """Return a process and all its living descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parent = int(_fields(int(entry.name))[1])
                children.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def usage(pids: Iterable[int]) -> Usage:
    """Return what living processes have used so far."""
    cpu = 0.0
    rss = 0
    for pid in pids:
        with suppress(OSError):
            fields = _fields(pid)
            cpu += (int(fields[11]) + int(fields[12])) / _TICKS
            rss += int(fields[21]) * _PAGE
    return Usage(cpu, rss)


def _fields(pid: int) -> list[str]:
    """Return the fields of `/proc/PID/stat` from the state on; see proc(5)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def start(
    command: Sequence[str], *, core: int, log: Path, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a program on one core, as the leader of its own group, with its output in a file."""
    with log.open("wb") as output:
        return subprocess.Popen(
            ["taskset", "-c", str(core), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **(env or {})},
        )


def stop(process: subprocess.Popen[bytes], *, seconds: float = 15.0) -> None:
    """Ask a program to end, and end its whole group if it does not."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_for(ready: Path, text: str, process: subprocess.Popen[bytes], *, seconds: float) -> str:
    """Return the first line of a program's output that contains a text.

    Raises:
        RuntimeError: the program ended, or the time is over; with the end of its output.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        lines = ready.read_text(errors="replace").splitlines()
        for line in lines:
            if text in line:
                return line
        if process.poll() is not None:
            break
        time.sleep(0.05)
    tail = "\n".join(ready.read_text(errors="replace").splitlines()[-15:])
    raise RuntimeError(f"{process.args!r} did not say {text!r}:\n{tail}")
