"""Which processes of an engine are still there."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from vllm_runtime.process_family import ProcessFamily

SECONDS = 60.0

FIRST_THREAD_ENDS = """
import ctypes, sys, threading
threading.Thread(target=sys.stdin.read).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def test_a_process_is_there_until_its_last_thread_has_ended() -> None:
    """As one that was killed is for a moment, with its memory, its ports and its GPU."""
    process = subprocess.Popen(
        [sys.executable, "-c", FIRST_THREAD_ENDS], stdin=subprocess.PIPE, start_new_session=True
    )
    family = ProcessFamily(process.pid)
    _until_zombie(process.pid)
    assert [each.pid for each in family.alive()] == [process.pid]
    process.communicate(timeout=SECONDS)
    assert family.alive() == []


def test_a_zombie_is_not_there() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""], start_new_session=True)
    _until_zombie(process.pid)
    assert ProcessFamily(process.pid).alive() == []
    process.wait(SECONDS)


def _until_zombie(pid: int) -> None:
    deadline = time.monotonic() + SECONDS
    while Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)
