"""What clients and operators see when something goes wrong, with real vLLM.

One engine of each channel for all tests, in this order: starting it takes a minute or more.
"""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.error
import urllib.request

import pytest

from vllm_cpu_testing.environment import VllmCpu
from vllm_runtime.process_family import Process, all_processes
from vllm_runtime_testing.serving import SECONDS, Serving


def test_it_says_that_it_is_ready(vllm: Serving, engine: VllmCpu) -> None:
    status = vllm.status()
    assert status["state"] == "ready"
    assert status["versions"]["vllm"].partition("+")[0] == engine.version
    assert status["restarts"] == 0
    assert status["engine_rss_bytes"] > 500_000_000
    with urllib.request.urlopen(f"{vllm.runtime_url}/runtime/ready", timeout=5) as answer:
        assert json.load(answer) == {"ready": True, "state": "ready"}
    with vllm.ask(messages=[{"role": "user", "content": "What is the capital of France?"}]) as it:
        assert "Paris" in json.load(it)["choices"][0]["message"]["content"]
    assert vllm.until(lambda status: status["tokens_total"] > 0)


def test_an_over_long_prompt_is_its_sender_s_mistake_alone(vllm: Serving) -> None:
    innocent = vllm.stream(tokens=30)
    with pytest.raises(urllib.error.HTTPError) as refused:
        vllm.ask(messages=[{"role": "user", "content": "lake " * 3000}])
    error = json.loads(refused.value.read())["error"]
    assert refused.value.code == 400
    assert "maximum context length is 1024" in error["message"]
    assert innocent.rest()[-1] == "[DONE]"
    status = vllm.status()
    assert (status["state"], status["restarts"], status["last_exit"]) == ("ready", 0, None)


def test_an_engine_stops_working_for_a_client_that_has_left(vllm: Serving) -> None:
    """Seen in its gauge: its own counter of aborted requests does not move."""
    stream = vllm.stream(tokens=900)
    assert vllm.running() == 1
    stream.leave()
    deadline = time.monotonic() + SECONDS
    while vllm.running() != 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    stopped_at = vllm.until(lambda status: status["requests_running"] == 0)["tokens_total"]
    # 900 tokens take half a minute: it did not just come to its end.
    assert stopped_at < 900
    assert vllm.until(lambda status: bool(status["ready"]))["tokens_total"] == stopped_at


def test_a_stopped_engine_core_is_seen_and_may_go_on(vllm: Serving) -> None:
    core = vllm.core_pid()
    os.kill(core, signal.SIGSTOP)
    try:
        status = vllm.until(lambda status: status["state"] == "stalled")
        with urllib.request.urlopen(f"{vllm.url}/health", timeout=5) as answer:
            assert answer.status == 200  # as far as vLLM knows
    finally:
        os.kill(core, signal.SIGCONT)
    assert status["ready"] is False
    assert vllm.until(lambda status: status["state"] == "ready")["restarts"] == 0


def test_a_killed_engine_core_ends_streams_with_an_error_and_is_replaced(vllm: Serving) -> None:
    stream = vllm.stream(tokens=900)
    os.kill(vllm.core_pid(), signal.SIGKILL)
    events = stream.rest()
    # [DONE] is no success: the error is in the event before it.
    assert "error" in json.loads(events[-2] if events[-1] == "[DONE]" else events[-1])
    status = vllm.until(lambda status: status["last_exit"] is not None)
    assert status["ready"] is False
    assert status["last_exit"]["reason"] == "engine_core_died"
    assert vllm.ready()["restarts"] == 1


def test_a_killed_api_server_leaves_no_engine_core(vllm: Serving) -> None:
    """It would decode on, and keep its memory."""
    core = vllm.core_pid()
    os.kill(vllm.status()["engine_pid"], signal.SIGKILL)
    status = vllm.until(lambda status: status["last_exit"]["reason"] == "killed")
    assert status["ready"] is False
    status = vllm.ready()
    assert (status["restarts"], status["restarts_by_reason"]["killed"]) == (2, 1)
    assert not _runs(core)


def test_sigterm_refuses_new_requests_and_finishes_a_stream(vllm: Serving) -> None:
    session = vllm.status()["engine_pid"]
    stream = vllm.stream(tokens=150)
    vllm.process.send_signal(signal.SIGTERM)
    status = vllm.until(lambda status: status["state"] == "draining")
    assert status["ready"] is False
    with vllm.ask(max_tokens=1) as late:  # whoever has not yet read the notice
        assert late.status == 200
    vllm.until(lambda _: vllm.said("closed: "))
    with pytest.raises(urllib.error.HTTPError) as refused:
        vllm.ask(max_tokens=1)
    assert refused.value.code == 503
    assert refused.value.headers["retry-after"] == "1"
    assert json.loads(refused.value.read())["error"]["code"] == "engine_draining"
    assert vllm.running() == 1
    events = stream.rest()
    assert events[-1] == "[DONE]"
    assert json.loads(events[-2])["choices"][0]["finish_reason"] == "length"
    assert vllm.ended() == 0
    assert vllm.said("drained: no request is left")
    assert [each for each in _processes() if each.session == session] == []


def _runs(pid: int) -> bool:
    return any(process.pid == pid for process in _processes())


def _processes() -> list[Process]:
    """Return all processes of this machine that have not ended."""
    return [process for process in all_processes() if process.state not in "ZX"]
