"""Commands that end when they should, with everything that they have started.

`subprocess.run(timeout=...)` kills the command alone and then waits for it without a limit. What
the command started goes on, and a command in uninterruptible sleep, as `nvidia-smi` in front of a
wedged driver, cannot be killed at all: the wait never ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

KILLED_SECONDS = 5.0
"""How long a killed command is waited for. After that it is left to the kernel, and reaped by
`subprocess` when it ends at last."""


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: exit code, negative for a signal; None if it did not end in time.
        stdout: what it wrote, up to its end or the time limit.
    """

    code: int | None
    stdout: bytes
    stderr: bytes


def run_bounded(
    command: Sequence[str],
    *,
    seconds: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Ended:
    """Run a command in a session of its own, without input, and end all of it in time.

    Args:
        seconds: time limit.
        env: its whole environment; None for ours.

    Raises:
        OSError: it cannot be started.
    """
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=seconds)
        return Ended(process.returncode, stdout, stderr)
    except subprocess.TimeoutExpired as late:
        return Ended(None, late.stdout or b"", late.stderr or b"")
    finally:
        # Also after Ctrl-C, which reaches only us.
        end_session(process)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def end_session(process: subprocess.Popen[bytes], *, seconds: float = KILLED_SECONDS) -> int | None:
    """Kill a command that leads a session, with what is left of its process group, and reap it.

    A command that has ended is no fault.

    Args:
        seconds: how long it is waited for.

    Returns:
        Its exit code; None if it has not ended even then.
    """
    # The group's id stays taken for as long as a member lives. Of a leader that was reaped and had
    # no children it may be a stranger's by now, so then nothing is killed.
    if process.poll() is None or _has_members(process.pid):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        return process.wait(seconds)
    return None


def _has_members(group: int) -> bool:
    """Return whether a process of this session still lives in a group that its leader has left."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        with suppress(OSError, ValueError, IndexError):
            fields = (folder / "stat").read_text().rpartition(") ")[2].split()
            if int(fields[2]) == group and int(fields[3]) == group:
                return True
    return False
