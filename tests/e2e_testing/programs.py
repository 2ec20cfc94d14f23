"""Built programs as processes."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

START_SECONDS = 180.0
"""A PEX unpacks itself when it runs for the first time."""

STOP_SECONDS = 60.0


def pex(name: str) -> Path:
    """Return a built program: beside the tests in Pants' sandbox, in dist/ elsewhere."""
    for folder in (Path.cwd(), Path.cwd() / "dist"):
        found = folder / name
        if found.exists():
            return found.resolve()
    pytest.fail(f"{name} is neither here nor in dist/: ./pants package-light")


@dataclass
class Program:
    """A running program, and what it has written."""

    process: subprocess.Popen[str]
    output: list[str]
    _lines: queue.SimpleQueue[str | None]

    @classmethod
    def start(cls, name: str, *arguments: str, cwd: Path, **environment: str) -> Program:
        """Start a built program; its two outputs are read as one."""
        process = subprocess.Popen(
            [sys.executable, str(pex(name)), *arguments],
            cwd=cwd,
            env={**_plain_environment(), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        program = cls(process, [], queue.SimpleQueue())
        threading.Thread(target=program._read, daemon=True).start()
        return program

    def until(self, text: str) -> str:
        """Wait for a line with a text in it, and return the line."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                pytest.fail(f"{text!r} does not come. The output is:\n{''.join(self.output)}")
            if text in line:
                return line

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line)
            self._lines.put(line)
        self._lines.put(None)


def _plain_environment() -> dict[str, str]:
    """Return our environment without what says where the tests' own modules are."""
    ours = ("PYTHONPATH", "PEX_PATH", "PEX_EXTRA_SYS_PATH")
    return {name: value for name, value in os.environ.items() if name not in ours}


def run(
    name: str, *arguments: str, cwd: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a built program to its end."""
    return run_within(START_SECONDS, name, *arguments, cwd=cwd, **environment)


def run_within(
    seconds: float, name: str, *arguments: str, cwd: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a built program to its end, which must come in time."""
    return subprocess.run(
        [sys.executable, str(pex(name)), *arguments],
        cwd=cwd,
        env={**_plain_environment(), **environment},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def wait_until_ready(url: str) -> None:
    """Wait until a readiness route answers 200."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:  # refused, reset while it starts, or too slow
            time.sleep(0.1)
    pytest.fail(f"{url} does not answer 200")


@contextmanager
def running(name: str, *arguments: str, cwd: Path, **environment: str) -> Iterator[Program]:
    """Run a built program until the block ends, at the latest."""
    program = Program.start(name, *arguments, cwd=cwd, **environment)
    try:
        yield program
    finally:
        if program.process.poll() is None:
            program.process.kill()
            program.process.wait(STOP_SECONDS)
