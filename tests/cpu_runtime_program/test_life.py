"""How the program starts, loses clients and engines, and ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest

from e2e_testing.cpu_engine import SERVE, CpuEngine, address
from e2e_testing.programs import run, running

MANY = 7000
"""Tokens, which take the fastest machine a while."""

LONG = {
    "model": "smollm2-135m-instruct",
    "messages": [{"role": "user", "content": "Write a long story about a river."}],
    "max_tokens": MANY,
    "ignore_eos": True,
    "stream": True,
}


def _metric(client: httpx.Client, name: str) -> float:
    wanted = f'cpu_runtime_{name}{{model="smollm2-135m-instruct"}} '
    text = client.get("/metrics").text
    line = next(line for line in text.splitlines() if line.startswith(wanted))
    return float(line.removeprefix(wanted))


def _running(client: httpx.Client) -> float:
    return _metric(client, "requests_running")


def _until_idle(client: httpx.Client) -> None:
    deadline = time.monotonic() + 300
    while _running(client):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_client_that_leaves_frees_its_slot(engine: CpuEngine) -> None:
    before = _metric(engine.client, "generation_tokens_total")
    with engine.client.stream("POST", "/v1/chat/completions", json=LONG) as answer:
        pieces = answer.iter_bytes()
        next(pieces)
        assert _running(engine.client) == 1
    _until_idle(engine.client)
    made = _metric(engine.client, "generation_tokens_total") - before
    assert made < MANY, "the engine went on for nobody"


def test_sigterm_lets_a_stream_say_that_it_was_cut(folder: Path) -> None:
    with running(*SERVE, "--drain-seconds", "1", cwd=folder) as program:
        url = address(program)
        with httpx.stream(
            "POST", f"{url}/v1/chat/completions", json=LONG, timeout=60, trust_env=False
        ) as answer:
            pieces = answer.iter_bytes()
            next(pieces)
            program.process.send_signal(signal.SIGTERM)
            rest = b"".join(pieces)
        assert b'"code":"shutting_down"' in rest
        assert b"[DONE]" not in rest
        assert program.process.wait(60) == 0


def test_a_dead_engine_is_told_and_ends_the_program(folder: Path) -> None:
    with running(*SERVE, "--no-embeddings", cwd=folder) as it:
        url = address(it)
        ended = threading.Event()
        received: list[bytes] = []

        def read() -> None:
            with httpx.stream(
                "POST", f"{url}/v1/chat/completions", json=LONG, timeout=60, trust_env=False
            ) as answer:
                for piece in answer.iter_bytes():
                    received.append(piece)
                    ended.set()

        reader = threading.Thread(target=read)
        reader.start()
        assert ended.wait(60)
        os.kill(_engine_of(it.process.pid), signal.SIGKILL)
        reader.join(60)
        assert b'"error"' in b"".join(received)
        assert it.process.wait(60) == 70
    assert "ended by SIGKILL" in "".join(it.output)


def _engine_of(pid: int) -> int:
    """Return the only child of a process."""
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=True
    )
    (child,) = found.stdout.split()
    return int(child)


def test_a_taken_port_is_one_sentence(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = run("cpu_runtime.pex", "serve", "--port", str(port), cwd=folder)

    assert ended.returncode == 69
    assert f"{port}" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--chat-model", "none.gguf"), "none.gguf is not a file"),
        (("--chat-model", "notes.txt"), "does not begin with the letters GGUF"),
        (("--host", "0.0.0.0"), "no key is set"),
        (("--no-embeddings", "--embedding-model", "e.gguf"), "contradict"),
    ],
)
def test_what_cannot_be_served_is_one_sentence(
    folder: Path, options: tuple[str, ...], reason: str
) -> None:
    (folder / "notes.txt").write_text("not a model")

    ended = run("cpu_runtime.pex", "serve", "--port", "0", *options, cwd=folder)

    assert ended.returncode == 78
    assert reason in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
