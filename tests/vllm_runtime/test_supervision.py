"""Restarts, draining, the end of every process, and stalls: with real processes and signals."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from typing import Any

import pytest

from vllm_runtime.engine_client import EngineMetrics, parse_metrics
from vllm_runtime.errors import EngineNotStarted, PortUnavailable
from vllm_runtime.exit_reason import ExitReason
from vllm_runtime.process_family import ProcessFamily
from vllm_runtime.progress import ProgressWatch
from vllm_runtime.restart_budget import RestartBudget, RestartPolicy
from vllm_runtime.status import State

QUICK_RESTARTS = RestartPolicy(max_restarts=2, backoff_seconds=0.01)


async def test_a_dead_engine_is_started_again(supervise: Any) -> None:
    limits = {"restarts": QUICK_RESTARTS}
    async with supervise(limits=limits, times=1, log=["INFO bye"], exit=0) as running:
        status = await running.ready()
        assert status.restarts == 1
        assert status.restarts_by_reason == {ExitReason.UNKNOWN: 1}
        assert status.last_exit.log_tail == ("INFO bye",)
        assert status.versions["vllm"] == "0.13.0"
    starts = [each for each in running.events() if each.startswith("start")]
    assert len(starts) == 2


async def test_restarts_are_bounded(supervise: Any) -> None:
    async with supervise(limits={"restarts": QUICK_RESTARTS}, exit=0) as running:
        status = await running.ended()
    assert status.state is State.FAILED
    assert sum(each.startswith("start") for each in running.events()) == 3
    assert running.said[-1] == "it is not started again: the bound is 2 restarts in a row"
    assert "starting it again in 0.02 s" in running.said


async def test_wrong_arguments_are_not_tried_again(supervise: Any) -> None:
    line = "vllm serve: error: unrecognized arguments: --nope"
    limits = {"restarts": QUICK_RESTARTS}
    async with supervise(limits=limits, log=[line], exit=2) as running:
        status = await running.ended()
    assert status.last_exit.reason is ExitReason.BAD_ARGUMENTS
    assert sum(each.startswith("start") for each in running.events()) == 1


def test_backoff_doubles_up_to_its_bound_and_starts_anew_after_a_stable_time() -> None:
    policy = RestartPolicy(4, backoff_seconds=1, backoff_max_seconds=3, stable_seconds=60)
    budget = RestartBudget(policy)
    assert [budget.next_delay(0) for _ in range(5)] == [1, 2, 3, 3, None]
    assert budget.next_delay(59) is None
    assert budget.next_delay(60) == 1


async def test_a_drain_says_so_first_and_ends_when_nothing_runs(supervise: Any) -> None:
    async with supervise(core=True) as running:
        await running.ready()
        await running.tell(running=2, waiting=1)
        await running.until(lambda status: status.requests_running == 2)
        running.supervisor.stop()
        # At once, and before the engine is told anything.
        assert running.status.state is State.DRAINING
        assert running.status.ready is False
        await running.tell(waiting=0, tokens=101)
        await running.until(lambda status: status.requests_waiting == 0)
        assert running.core_runs()
        await running.tell(running=0)
        status = await running.ended()
    assert status.state is State.STOPPED
    assert "term running=0" in running.events()
    assert not running.core_runs()
    assert "drained: no request is left" in running.said


async def test_new_requests_are_refused_after_notice_was_given(supervise: Any) -> None:
    async with supervise(limits={"drain_notice": 0.3}) as running:
        await running.ready()
        await running.tell(running=1)
        await running.until(lambda status: status.requests_running == 1)
        running.supervisor.stop()
        assert not running.folder.closed_file.exists()
        await running.until_said("closed")
        assert running.folder.closed_file.exists()
        assert running.status.state is State.DRAINING
        await running.tell(running=0)
        await running.ended()


async def test_a_gate_that_was_left_closed_is_opened_again(supervise: Any, free_port: int) -> None:
    async with supervise(port=free_port) as running:
        await running.ready()
        running.supervisor.stop()
        await running.ended()
        assert running.folder.closed_file.exists()
    async with supervise(port=free_port) as running:
        await running.ready()
        assert not running.folder.closed_file.exists()


async def test_a_request_that_only_the_api_server_knows_is_waited_for(supervise: Any) -> None:
    """The first step of an idle engine is in no metric before it is over."""
    async with supervise() as running:
        await running.ready()
        await running.tell(load=1)
        running.supervisor.stop()
        asked = time.monotonic()
        while time.monotonic() < asked + 0.2:  # the notice is over after 0.05
            last = running.status.last_progress
            await running.until(lambda status, last=last: status.last_progress != last)
        assert running.status.state is State.DRAINING
        await running.tell(load=0)
        await running.ended()
    assert "drained: no request is left" in running.said


async def test_a_drain_is_bounded(supervise: Any) -> None:
    async with supervise(limits={"drain": 0.3}) as running:
        await running.ready()
        await running.tell(running=3)
        await running.until(lambda status: status.requests_running == 3)
        asked = time.monotonic()
        running.supervisor.stop()
        await running.ended()
    assert time.monotonic() - asked >= 0.3
    cut_off = r"not drained after \d+ s: 3 requests are cut off"
    assert any(re.fullmatch(cut_off, each) for each in running.said)


async def test_an_idle_engine_still_gives_notice(supervise: Any) -> None:
    """Or whoever routes here would send requests to an engine that is gone."""
    async with supervise(limits={"drain_notice": 0.4}) as running:
        await running.ready()
        asked = time.monotonic()
        running.supervisor.stop()
        await running.ended()
    assert time.monotonic() - asked >= 0.4


async def test_a_second_stop_does_not_wait(supervise: Any) -> None:
    async with supervise() as running:
        await running.ready()
        await running.tell(running=1)
        await running.until(lambda status: status.requests_running == 1)
        running.supervisor.stop()
        running.supervisor.stop()
        await running.ended()
    assert "term running=1" in running.events()


async def test_an_engine_that_starts_is_stopped_at_once(supervise: Any) -> None:
    async with supervise(listen=False) as running:
        await running.until(lambda status: status.engine_pid is not None)
        running.supervisor.stop()
        status = await running.ended()
    assert status.state is State.STOPPED
    assert status.last_exit is None


async def test_waiting_for_a_restart_can_be_stopped(supervise: Any) -> None:
    limits = {"restarts": RestartPolicy(backoff_seconds=600, backoff_max_seconds=600)}
    async with supervise(limits=limits, exit=0) as running:
        await running.until(lambda status: status.state is State.RESTARTING)
        running.supervisor.stop()
        status = await running.ended()
    assert status.state is State.STOPPED
    assert status.last_exit is not None
    assert status.restarts == 0


async def test_an_orphaned_core_is_ended_with_its_engine(supervise: Any) -> None:
    """An API server that is killed leaves its core, which here ignores SIGTERM too."""
    async with supervise(core=True, deaf=True) as running:
        status = await running.ready()
        assert status.engine_rss_bytes > 1_000_000
        os.kill(status.engine_pid, signal.SIGKILL)
        # Said while the core still holds out.
        await running.until(lambda status: status.last_exit is not None and not status.ready)
        assert running.core_runs()
        status = await running.ended()
    assert status.last_exit.reason is ExitReason.KILLED
    assert "SIGKILL" in status.last_exit.detail
    assert not running.core_runs()
    assert "1 of its processes had to be killed" in running.said


async def test_a_core_in_a_session_of_its_own_is_ended_too(supervise: Any) -> None:
    async with supervise(escaped=True) as running:
        status = await running.ready()
        assert os.getsid(running.core_pid()) != status.engine_pid
        os.kill(status.engine_pid, signal.SIGKILL)
        await running.ended()
    assert not running.core_runs()


async def test_a_deaf_engine_is_killed(supervise: Any) -> None:
    async with supervise(core=True, deaf=True) as running:
        await running.ready()
        running.supervisor.stop()
        status = await running.ended()
    assert status.state is State.STOPPED
    assert "2 of its processes had to be killed" in running.said


def test_a_family_is_only_what_its_leader_started() -> None:
    sleeping = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
    with (
        subprocess.Popen(sleeping, start_new_session=True) as leader,
        subprocess.Popen(sleeping, start_new_session=True) as stranger,
    ):
        try:
            family = ProcessFamily(leader.pid)
            assert [process.pid for process in family.alive()] == [leader.pid]
            assert family.signal(signal.SIGKILL) == 1
            leader.wait(timeout=60)
            assert family.alive() == []
            assert stranger.poll() is None
        finally:
            leader.kill()
            stranger.kill()


async def test_a_stall_is_seen_and_may_pass(supervise: Any) -> None:
    async with supervise(limits={"stall": 0.2}) as running:
        await running.ready()
        await running.tell(running=1)
        status = await running.until(lambda status: status.state is State.STALLED)
        assert status.ready is False
        assert status.requests_running == 1
        assert status.restarts == 0
        await running.tell(tokens=101)
        await running.until(lambda status: status.state is State.READY)
        await running.tell(running=0)
        await running.ready()


async def test_a_stopped_core_stalls_even_an_idle_engine(supervise: Any) -> None:
    async with supervise(core=True, limits={"stall": 0.1}) as running:
        await running.ready()
        os.kill(running.core_pid(), signal.SIGSTOP)
        await running.until(lambda status: status.state is State.STALLED)
    # It was continued, to be able to end.
    assert not running.core_runs()


def watch(*looks: tuple[EngineMetrics | None, int | None]) -> float:
    """Look once a second, and return for how long there was no progress in the end."""
    progress = ProgressWatch(0)
    for now, (metrics, load) in enumerate(looks, start=1):
        progress.observe(metrics, now, load=load)
    return len(looks) - progress.since


def figures(running: int, tokens: int, cache: float = 0.0, waiting: int = 0) -> EngineMetrics:
    return EngineMetrics(running, waiting, tokens, cache)


def test_what_counts_as_progress() -> None:
    stuck = figures(1, 5)
    assert watch((stuck, None), (stuck, None), (stuck, None)) == 2
    assert watch((figures(1, 5), None), (figures(1, 6), None)) == 0
    assert watch((figures(1, 5, 0.1), None), (figures(1, 5, 0.2), None)) == 0
    assert watch((figures(0, 5), None), (figures(0, 5), None)) == 0
    assert watch((figures(0, 5, waiting=1), None), (figures(0, 5, waiting=1), None)) == 1
    assert watch((figures(0, 5), None), (None, None), (None, None)) == 2


def test_a_load_counts_when_it_has_risen_since_the_last_progress() -> None:
    idle = figures(0, 5)
    assert watch((idle, 0), (idle, 1), (idle, 1)) == 2
    # One that remained from a request that vLLM has lost count of.
    assert watch((figures(1, 4), 1), (idle, 1), (idle, 1), (idle, 1)) == 0
    assert watch((figures(1, 4), 1), (idle, 0), (idle, 1), (idle, 1)) == 2


def test_metrics_are_summed_over_engine_cores() -> None:
    text = "".join(
        f'vllm:num_requests_running{{engine="{core}"}} 2.0\n'
        f'vllm:num_requests_waiting{{engine="{core}"}} 1.0\n'
        f'vllm:generation_tokens_total{{engine="{core}"}} 1e3\n'
        f'vllm:prompt_tokens_total{{engine="{core}"}} 10.0\n'
        for core in range(2)
    )
    assert parse_metrics(text) == EngineMetrics(4, 2, 2020, 0.0)
    assert parse_metrics("python_info 1.0\n") is None


async def test_a_taken_port_is_one_sentence_before_anything_starts(
    supervise: Any, free_port: int
) -> None:
    with socket.create_server(("127.0.0.1", free_port)):
        async with supervise(port=free_port) as running:
            with pytest.raises(PortUnavailable, match=f"port {free_port} .* in use .*--port"):
                await running.result
    assert running.events() == []


async def test_a_program_that_cannot_be_started(supervise: Any) -> None:
    async with supervise(interpreter="no-such-interpreter") as running:
        with pytest.raises(EngineNotStarted, match="no-such-interpreter cannot be started"):
            await running.result


async def test_the_engines_key_is_never_shown(supervise: Any) -> None:
    environment = {"VLLM_API_KEY": "sk-very-secret"}
    behaviour = {"log": ["api_key=sk-very-secret", "INFO bye"], "exit": 1}
    async with supervise(environment=environment, **behaviour) as running:
        status = await running.ended()
    assert running.shown == ["api_key=***", "INFO bye"]
    assert "sk-very-secret" not in status.model_dump_json()


async def test_our_own_looks_do_not_fill_the_log(supervise: Any) -> None:
    async with supervise() as running:
        await running.ready()
        looks = [
            f'INFO: 127.0.0.1:1 - "GET /{path} HTTP/1.1" 200 OK' for path in ("health", "load")
        ]
        await running.tell(log=["INFO before", *looks, "INFO after"], exit=0)
        status = await running.ended()
    assert status.last_exit.log_tail == ("INFO before", "INFO after")
