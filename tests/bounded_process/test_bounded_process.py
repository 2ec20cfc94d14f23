"""Commands end in time, with everything that they have started."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import pytest

from bounded_process import end_session, run_bounded

# Starts a child that outlives it, tells the child's id, and goes on as its argument says.
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], stdout=2)
print(child.pid, flush=True)
if sys.argv[1] == "stay":
    time.sleep(600)
"""


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(") ")[2][0] not in "ZX"


def gone(pid: int) -> bool:
    """Wait until a process that was killed has ended."""
    deadline = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_alive(pid)


def test_what_a_command_says_and_how_it_ends(tmp_path: Path) -> None:
    source = "import os, sys; print(os.getcwd()); print(os.environ['A'], file=sys.stderr); exit(3)"
    ended = run_bounded([sys.executable, "-c", source], seconds=60, cwd=tmp_path, env={"A": "b"})
    assert (ended.code, ended.stdout, ended.stderr) == (3, f"{tmp_path}\n".encode(), b"b\n")
    with pytest.raises(FileNotFoundError):
        run_bounded(["no-such-command"], seconds=1)


def test_children_end_with_a_command_that_takes_too_long() -> None:
    ended = run_bounded([sys.executable, "-c", PARENT, "stay"], seconds=3)
    assert ended.code is None
    assert gone(int(ended.stdout))


def test_children_that_hold_the_output_open_end_too() -> None:
    """The command has ended, but not what it wrote to."""
    ended = run_bounded([sys.executable, "-c", PARENT, "leave"], seconds=3)
    assert ended.code is None
    assert gone(int(ended.stdout))


def test_a_command_that_cannot_be_killed_is_left() -> None:
    """As one in uninterruptible sleep, which no signal reaches."""
    started = time.monotonic()
    with mock.patch("os.killpg"), mock.patch("bounded_process.KILLED_SECONDS", 0.1):
        process = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True
        )
        assert end_session(process, seconds=0.1) is None
    assert time.monotonic() - started < 30
    assert end_session(process) == -9


def test_a_command_that_has_ended_is_no_fault() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""], start_new_session=True)
    process.wait()
    with mock.patch("os.killpg") as killpg:
        assert end_session(process) == 0
    killpg.assert_not_called()


def test_an_interrupt_ends_the_command_too() -> None:
    started: list[int] = []

    def interrupted(process: subprocess.Popen[bytes], *_: object, **__: object) -> None:
        started.append(process.pid)
        raise KeyboardInterrupt

    with (
        mock.patch.object(subprocess.Popen, "communicate", interrupted),
        pytest.raises(KeyboardInterrupt),
    ):
        run_bounded([sys.executable, "-c", "import time; time.sleep(600)"], seconds=60)
    assert gone(started[0])
    assert os.getpid() != started[0]
