"""`serve` as a process: signals, exit codes, and what it refuses in one sentence."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from loopback_testing import ports
from vllm_runtime.cli import main

SECONDS = 60.0
KEY = "sk-very-secret"


class Served:
    """A running `serve`, and its status."""

    def __init__(self, process: subprocess.Popen[str], runtime_port: int) -> None:
        self.process = process
        self._url = f"http://127.0.0.1:{runtime_port}/runtime/status"

    def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(self._url, timeout=SECONDS) as answer:
                    status: dict[str, Any] = json.load(answer)
            except OSError:
                status = {}
            if status and condition(status):
                return status
            if self.process.poll() is not None:
                raise AssertionError(f"it has ended: {self.process.communicate()[1]}")
            time.sleep(0.01)
        raise AssertionError(f"not within {SECONDS} s; last status: {status}")


@contextmanager
def served(folder: Path, *, engine_port: int = 0, **behaviour: Any) -> Iterator[Served]:
    numbers = [engine_port or ports.free_port(), ports.free_port()]
    script = Path(__file__).with_name("fake_serve.py")
    process = subprocess.Popen(
        [sys.executable, str(script), *map(str, numbers), str(folder / "state")],
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "FAKE_ENGINE": json.dumps(behaviour),
            "FAKE_EVENTS": str(folder / "events"),
            "VLLM_API_KEY": KEY,
        },
    )
    try:
        yield Served(process, numbers[1])
    finally:
        # Not SIGKILL: that would leave the engine.
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=SECONDS)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_everything(tmp_path: Path, number: signal.Signals) -> None:
    with served(tmp_path, core=True, log=[f"key {KEY}"]) as running:
        status = running.until(lambda status: bool(status["ready"]))
        engine = Path(f"/proc/{status['engine_pid']}")
        command = (engine / "cmdline").read_text()
        assert "fake/model" in command
        assert KEY not in command
        assert f"VLLM_API_KEY={KEY}" in (engine / "environ").read_text()
        running.process.send_signal(number)
        running.until(lambda status: status["state"] == "draining" and not status["ready"])
        _, said = running.process.communicate(timeout=SECONDS)
    assert running.process.returncode == 0
    assert not engine.exists()
    assert KEY not in said
    assert "key ***" in said
    assert said.splitlines()[-1] == "vllm_runtime: stopped"


def test_what_another_start_would_not_mend_is_exit_code_78(tmp_path: Path) -> None:
    line = "vllm serve: error: unrecognized arguments: --nope"
    with served(tmp_path, log=[line], exit=2) as running:
        _, said = running.process.communicate(timeout=SECONDS)
    assert running.process.returncode == 78
    assert f"vllm_runtime: the engine has ended: bad_arguments ({line})" in said
    assert "Traceback" not in said


def test_what_a_killed_supervisor_left_is_ended_by_the_next_one(
    tmp_path: Path, free_port: int
) -> None:
    with served(tmp_path, engine_port=free_port, core=True, deaf=True) as first:
        status = first.until(lambda status: bool(status["ready"]))
        core = _core_pid(tmp_path)
        first.process.kill()
        first.process.wait(SECONDS)
    assert Path(f"/proc/{status['engine_pid']}").exists()
    with served(tmp_path, engine_port=free_port) as second:
        again = second.until(lambda status: bool(status["ready"]))
        assert again["engine_pid"] != status["engine_pid"]
        assert not _runs(status["engine_pid"])
        assert not _runs(core)
        second.process.send_signal(signal.SIGTERM)
        _, said = second.process.communicate(timeout=SECONDS)
    assert "2 processes of an earlier engine were left behind, and are ended" in said


def _core_pid(folder: Path) -> int:
    events = (folder / "events").read_text().splitlines()
    return int(next(each for each in events if each.startswith("core")).split()[1])


def _runs(pid: int) -> bool:
    """Whether a process is there and is no zombie: here nobody may reap orphans."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(") ")[2][0] not in "ZX"


def test_two_supervisors_do_not_share_a_port(tmp_path: Path, free_port: int) -> None:
    with served(tmp_path, engine_port=free_port) as first:
        first.until(lambda status: bool(status["ready"]))
        with served(tmp_path, engine_port=free_port) as second:
            _, said = second.process.communicate(timeout=SECONDS)
        assert "AlreadySupervised" in said
        assert first.until(lambda status: bool(status["ready"]))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["serve"], 78, "no model is named"),
        (["serve", "./nope"], 78, "there is no model at ./nope"),
        (["serve", "org/m", "--profile", "small"], 78, "belong together"),
        (["serve", "org/m", "--", "--port", "9"], 78, "--port cannot be passed on to vLLM"),
        (["serve", "org/m", "--port", "9", "--runtime-port", "9"], 69, "two different ones"),
    ],
)
def test_what_is_wrong_from_the_start_is_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    assert main(arguments) == code
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve", "org/m", "--port", "http"],
        ["serve", "org/m", "--drain-seconds", "-1"],
        ["serve", "org/m", "--max-restarts", "few"],
        ["check", "--", "--dtype", "float32"],
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2


def test_the_engine_is_started_by_this_interpreter(tmp_path: Path, free_port: int) -> None:
    """Here vLLM is not installed, which its own interpreter says and nobody hides."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "vllm_runtime", "serve", str(tmp_path), "--max-restarts", "0"),
            *("--port", str(free_port), "--runtime-port", str(ports.free_port())),
            *("--state-dir", str(tmp_path / "state")),
        ],
        stderr=subprocess.PIPE,
        text=True,
        timeout=SECONDS * 3,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 1
    assert "No module named 'vllm'" in done.stderr
    assert "vllm_runtime: the engine has ended: unknown" in done.stderr
