"""`demo-rollout` up to the moment at which the demonstration takes its place."""

from __future__ import annotations

import fcntl
import signal
import socket
from collections.abc import Callable, Iterator

import pytest

from local_stack_testing.checkout import Checkout
from local_stack_testing.running import SECONDS, Up

FAKE_TRIALS = """
import os, signal, sys
print("arguments:", *sys.argv[1:])
print("process:", os.getpid())
print("modules of ours:", os.environ.get("PYTHONPATH"), flush=True)
if "--stay" in sys.argv:
    signal.signal(signal.SIGINT, lambda number, frame: sys.exit(7))
    print("staying", flush=True)
    while True:
        signal.pause()
sys.exit(3)
"""

StartDemo = Callable[..., Up]


@pytest.fixture
def start_demo(checkout: Checkout) -> Iterator[StartDemo]:
    """Start `demo-rollout`; whatever a test leaves behind is stopped."""
    running: list[Up] = []
    (checkout.root / "dist" / "rollout_trials.pex").write_text(FAKE_TRIALS)

    def start(*arguments: str) -> Up:
        running.append(Up(checkout, ("--packaged", *arguments), {}, "demo-rollout"))
        return running[-1]

    yield start
    for demo in running:
        if demo.process.poll() is None:
            demo.process.kill()
            demo.process.wait(SECONDS)


def test_it_becomes_the_demonstration_and_ends_with_its_exit_code(
    checkout: Checkout, start_demo: StartDemo
) -> None:
    demo = start_demo("--port", "0")
    assert demo.end() == 3
    dist, data = checkout.root / "dist", checkout.data / "demo"
    assert (
        f"arguments: demo --api {dist / 'querylake_api.pex'} "
        f"--runtime {dist / 'cpu_runtime.pex'} --folder {data} --port 0\n"
    ) in demo.output
    assert f"process: {demo.process.pid}\n" in demo.output
    assert "modules of ours: None" in demo.output


def test_ctrl_c_goes_to_the_demonstration(start_demo: StartDemo) -> None:
    demo = start_demo("--stay")
    demo.until("staying")
    assert demo.stop(signal.SIGINT) == 7


def test_a_missing_program_is_one_sentence(checkout: Checkout, start_demo: StartDemo) -> None:
    (checkout.root / "dist" / "rollout_trials.pex").unlink()
    demo = start_demo()
    assert demo.end() == 1
    assert "dist/rollout_trials.pex does not exist; leave out --packaged" in demo.output
    assert "src/python/rollout_trials:pex" in demo.output


def test_a_port_in_use_is_one_sentence(start_demo: StartDemo) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        demo = start_demo("--port", str(port))
        assert demo.end() == 1
    assert f"port {port} on 127.0.0.1 is in use by another program" in demo.output


def test_while_one_prepares_another_is_refused(checkout: Checkout, start_demo: StartDemo) -> None:
    data = checkout.data / "demo"
    data.mkdir(parents=True)
    with (data / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        demo = start_demo()
        assert demo.end() == 1
    assert "already runs on .querylake/demo" in demo.output
