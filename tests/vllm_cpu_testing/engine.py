"""vLLM's own server, as it comes, without supervision."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from loopback_testing.ports import free_port
from vllm_cpu_testing.environment import ENGINE_ARGUMENTS, START_SECONDS, VllmCpu

_STOP_SECONDS = 30.0


@dataclass(frozen=True)
class RunningVllm:
    """A running engine.

    Attributes:
        url: without `/v1`.
        session: the session that all its processes are in.
        version: of vLLM.
    """

    url: str
    session: int
    version: str


@contextmanager
def running_vllm(engine: VllmCpu, folder: Path, *arguments: str) -> Iterator[RunningVllm]:
    """Run an engine until the block ends; gives it once it is ready."""
    port = free_port()
    url, log = f"http://127.0.0.1:{port}", folder / "vllm.log"
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [
                *(str(engine.python), "-m", "vllm.entrypoints.cli.main", "serve"),
                *(str(engine.model), "--host", "127.0.0.1", "--port", str(port)),
                *(*ENGINE_ARGUMENTS, *arguments),
            ],
            cwd=folder,
            env=engine.environment(folder),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_ready(process, url, log)
        yield RunningVllm(url, process.pid, engine.version)
    finally:
        _end(process)


def running_requests(url: str) -> float:
    """Return an engine's gauge of running requests."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(x.split()[-1]) for x in lines if x.startswith("vllm:num_requests_running"))


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.5)
    pytest.fail(f"vLLM is not ready. Its log ends so:\n{log.read_text()[-3000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the engine, and the core that it would leave."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(_STOP_SECONDS)
