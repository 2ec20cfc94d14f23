"""A client that leaves is seen in vLLM's own gauge of running requests, through the API."""

from __future__ import annotations

import threading
import time

import httpx
import pytest

from e2e_testing.stack import Stack
from vllm_cpu_testing.engine import running_requests

SECONDS = 60.0

LONG = {
    "model": "default",
    "messages": [{"role": "user", "content": "Write a long story about a lake."}],
    "max_tokens": 900,
    "ignore_eos": True,
}
"""At a few dozen tokens per second this would run for half a minute."""


def until_running(stack: Stack, number: int) -> float:
    """Wait until so many requests run, and return for how long that took."""
    asked = time.monotonic()
    while running_requests(stack.chat_url) != number:
        assert time.monotonic() < asked + SECONDS
        time.sleep(0.05)
    return time.monotonic() - asked


@pytest.fixture
def client(stack: Stack) -> httpx.Client:
    return httpx.Client(
        base_url=stack.url, headers={"Authorization": f"Bearer {stack.key}"}, timeout=SECONDS
    )


def test_leaving_a_stream_frees_the_engine(stack: Stack, client: httpx.Client) -> None:
    with client, client.stream("POST", "/v1/chat/completions", json={**LONG, "stream": True}) as it:
        lines = it.iter_lines()
        for _ in range(6):
            next(lines)
        until_running(stack, 1)
    assert until_running(stack, 0) < 10


def test_leaving_before_the_answer_frees_the_engine(stack: Stack, client: httpx.Client) -> None:
    """The client waits for a whole answer, and not a byte of it has come."""
    failed = threading.Event()

    def ask() -> None:
        with pytest.raises(httpx.ReadTimeout):
            client.post("/v1/chat/completions", json=LONG, timeout=httpx.Timeout(SECONDS, read=5))
        failed.set()

    with client:
        asking = threading.Thread(target=ask)
        asking.start()
        until_running(stack, 1)
        asking.join(SECONDS)
    assert failed.is_set()
    assert until_running(stack, 0) < 10
