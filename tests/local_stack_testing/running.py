"""`./querylake up` as a real process."""

from __future__ import annotations

import codecs
import os
import queue
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import local_stack.__main__
import local_stack.parent_death  # run by its path, so no import would bring it along
from local_stack_testing.checkout import Checkout

SECONDS = 90.0
"""No single step of a test may take longer, on however busy a machine."""


class Up:
    """A running `./querylake up`, or another of its commands."""

    def __init__(
        self,
        checkout: Checkout,
        arguments: tuple[str, ...],
        mode: dict[str, str],
        command: str = "up",
    ) -> None:
        source = Path(local_stack.__main__.__file__).parents[1]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("QUERYLAKE_")}
        environment |= {
            "REPO_ROOT": str(checkout.root),
            "PYTHONPATH": str(source),
            "QUERYLAKE_CACHE_DIR": str(checkout.root / "cache"),
            "QUERYLAKE_UV": str(checkout.uv),
            **mode,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "local_stack", command, *arguments],
            env=environment,
            cwd=checkout.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.output = ""
        self._pieces: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._leaving = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def until(self, text: str) -> str:
        """Wait until the output has a text, and return the output."""
        deadline = time.monotonic() + SECONDS
        while text not in self.output:
            try:
                self.output += self._pieces.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                pytest.fail(f"{text!r} does not come. The output is:\n{self.output}")
        return self.output

    def ready(self) -> str:
        """Wait until it greets, and return where the API answers."""
        self.until("Ctrl-C stops everything.")
        found = re.search(r"QueryLake answers on (http://\S+)", self.output)
        assert found is not None
        return found[1]

    def stop(self, number: int = signal.SIGINT, seconds: float = SECONDS) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.end(seconds)

    def end(self, seconds: float = SECONDS) -> int:
        """Wait for its end and return the exit code."""
        code = self.process.wait(seconds)
        self._reader.join(SECONDS)
        while not self._pieces.empty():
            self.output += self._pieces.get()
        return code

    def stop_reading(self) -> None:
        """Close the pipe that it writes to."""
        self._leaving.set()
        self._reader.join(SECONDS)

    def _read(self) -> None:
        assert self.process.stdout is not None
        output = self.process.stdout
        decoder = codecs.getincrementaldecoder("utf-8")()
        while not self._leaving.is_set():
            if not select.select([output], [], [], 0.05)[0]:
                continue
            piece = os.read(output.fileno(), 65536)
            if not piece:
                break
            self._pieces.put(decoder.decode(piece))
        output.close()


StartUp = Callable[..., Up]


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that waits to be reaped does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, check=False)
    return bool(state.stdout.strip()) and not state.stdout.startswith(b"Z")


def wait_gone(pids: set[int]) -> None:
    """Wait until none of these processes runs."""
    deadline = time.monotonic() + SECONDS
    while left := {pid for pid in pids if is_alive(pid)}:
        assert time.monotonic() < deadline, f"processes {left} still run"
        time.sleep(0.02)
