"""`vllm_runtime serve` on real vLLM, and ways to ask and to hurt it."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest

import vllm_runtime
from loopback_testing.ports import free_port
from vllm_cpu_testing.engine import running_requests
from vllm_cpu_testing.environment import ENGINE_ARGUMENTS, MODEL, START_SECONDS, VllmCpu
from vllm_runtime.process_family import all_processes

SECONDS = 60.0
"""No single step of a test but a start may take longer, on however busy a machine."""


class Serving:
    """A running `serve`.

    Attributes:
        output: what it and its engine have written so far.
    """

    def __init__(self, process: subprocess.Popen[str], port: int, runtime_port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self.runtime_url = f"http://127.0.0.1:{runtime_port}"
        self.output: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def status(self) -> dict[str, Any]:
        """Return `/runtime/status`; nothing while nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.runtime_url}/runtime/status", timeout=5) as answer:
                status: dict[str, Any] = json.load(answer)
        except OSError:
            return {}
        return status

    def until(
        self, condition: Callable[[dict[str, Any]], bool], seconds: float = SECONDS
    ) -> dict[str, Any]:
        """Wait until the status is so, and return it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            status = self.status()
            if status and condition(status):
                return status
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        said = "".join(self.output[-40:])
        pytest.fail(f"it does not come to that. Status: {self.status()}\nOutput:\n{said}")

    def ready(self) -> dict[str, Any]:
        """Wait until requests may be sent."""
        return self.until(lambda status: bool(status["ready"]), START_SECONDS)

    def running(self) -> float:
        """Return the engine's own gauge of running requests."""
        return running_requests(self.url)

    def ask(self, **changes: Any) -> HTTPResponse:
        """Ask for a chat; the answer is to be closed."""
        body = {
            "model": MODEL,
            "messages": [{"role": "user", "content": "Write a long story about a lake."}],
            "temperature": 0,
            **changes,
        }
        request = urllib.request.Request(
            f"{self.url}/v1/chat/completions",
            json.dumps(body).encode(),
            {"content-type": "application/json"},
        )
        answer: HTTPResponse = urllib.request.urlopen(request, timeout=SECONDS)
        return answer

    def stream(self, tokens: int) -> Stream:
        """Ask for a stream of so many tokens, and wait for the first three."""
        stream = Stream(self.ask(stream=True, max_tokens=tokens, ignore_eos=True))
        for _ in range(4):  # the first one names the role
            stream.next()
        return stream

    def core_pid(self) -> int:
        """Return the process of the engine core."""
        session = self.status()["engine_pid"]
        for process in all_processes():
            if process.session == session and process.name.startswith("VLLM::EngineCor"):
                return process.pid
        pytest.fail("there is no engine core")

    def ended(self) -> int:
        """Wait until `serve` has ended, and return its exit code."""
        code = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        return code

    def said(self, sentence: str) -> bool:
        """Whether the supervisor has said something."""
        return any(line.startswith(f"vllm_runtime: {sentence}") for line in self.output)

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.output.extend(self.process.stderr)


class Stream:
    """An answer in pieces."""

    def __init__(self, answer: HTTPResponse) -> None:
        self._answer = answer
        self.events: list[str] = []

    def next(self) -> str:
        """Return the next event's data; empty at the end."""
        for line in iter(self._answer.readline, b""):
            if line.startswith(b"data: "):
                self.events.append(line[6:].decode().strip())
                return self.events[-1]
        return ""

    def rest(self) -> list[str]:
        """Read to the end, and return all events."""
        while self.next():
            pass
        return self.events

    def leave(self) -> None:
        """Hang up."""
        self._answer.close()


@contextmanager
def serving(
    engine: VllmCpu,
    folder: Path,
    *arguments: str,
    model: str = "",
    engine_arguments: tuple[str, ...] = (),
) -> Iterator[Serving]:
    """Run `serve` with the engine's interpreter until the block ends, at the latest."""
    port, runtime_port = free_port(), free_port()
    process = subprocess.Popen(
        [
            *(str(engine.python), "-m", "vllm_runtime", "serve", model or str(engine.model)),
            *("--port", str(port), "--runtime-port", str(runtime_port)),
            *("--state-dir", str(folder / "state"), *arguments),
            *("--", *ENGINE_ARGUMENTS, *engine_arguments),
        ],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **engine.environment(folder),
            "PYTHONPATH": str(Path(vllm_runtime.__file__).parents[1]),
        },
    )
    running = Serving(process, port, runtime_port)
    try:
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGTERM)  # the second time: at once
            process.wait(SECONDS)
