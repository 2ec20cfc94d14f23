"""The head of a Ray cluster of somebody else's, as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import pytest

from loopback_testing.ports import free_port

SECONDS = 180.0
"""On a busy machine, a cluster's head and its dashboard take a minute or two."""

TOKEN = "a" * 64
"""Ray's clusters ask for one unless they are told not to."""


@dataclass(frozen=True)
class RayHead:
    """A cluster that runs.

    Attributes:
        address: where it is joined.
        dashboard: its URL.
    """

    address: str
    dashboard: str
    process: subprocess.Popen[bytes]

    def answers(self) -> bool:
        """Return whether its dashboard does."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        try:
            answer = httpx.get(f"{self.dashboard}/api/version", headers=headers, timeout=5)
        except httpx.HTTPError:
            return False
        return answer.status_code == httpx.codes.OK


@contextmanager
def ray_head() -> Iterator[RayHead]:
    """Run a cluster on loopback until the block ends."""
    port, client, dashboard = (free_port() for _ in range(3))
    # Sockets lie in it, whose paths must be short.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
                *("--node-ip-address", "127.0.0.1", "--port", str(port), "--num-cpus", "1"),
                *("--ray-client-server-port", str(client), "--temp-dir", folder),
                *("--dashboard-host", "127.0.0.1", "--dashboard-port", str(dashboard)),
                "--disable-usage-stats",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN},
        )
        head = RayHead(f"127.0.0.1:{port}", f"http://127.0.0.1:{dashboard}", process)
        try:
            deadline = time.monotonic() + SECONDS
            while not head.answers():
                if time.monotonic() > deadline or process.poll() is not None:
                    pytest.fail(f"the head does not answer; its exit code is {process.poll()}")
                time.sleep(0.2)
            yield head
        finally:
            # It ends the processes that it has started.
            process.send_signal(signal.SIGTERM)
            process.wait(SECONDS)
