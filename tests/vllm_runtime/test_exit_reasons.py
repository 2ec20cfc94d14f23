"""Why an engine ended: every reason once with a real process, and recorded log lines."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from vllm_runtime.exit_reason import Ending, ExitReason, diagnose
from vllm_runtime.log_evidence import LogEvidence
from vllm_runtime.status import State

CUDA = (
    "(EngineCore_DP0 pid=7) ERROR 11-23 08:38:43 [core.py:868] torch.OutOfMemoryError: CUDA out of "
    "memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 22.05 GiB"
)
DIED = (
    "(APIServer pid=9) ERROR 11-23 08:31:32 [core_client.py:606] Engine core proc EngineCore_DP0 "
    "died unexpectedly, shutting down client."
)
KILLED_AT_START = (
    "(APIServer pid=9) RuntimeError: Engine core initialization failed. See root cause above. "
    "Failed core proc(s): {'EngineCore_DP0': -9}"
)
CPU_MEMORY = (
    "(EngineCore_DP0 pid=28734) RuntimeError: [enforce fail at alloc_cpu.cpp:124] err == 0. "
    "DefaultCPUAllocator: can't allocate memory: you tried to allocate 12582912 bytes. Error code "
    "12 (Cannot allocate memory)"
)
NO_MODEL = (
    "(APIServer pid=9)   Value error, Invalid repository ID or local directory specified: 'nope'."
)
NO_DEVICE = "Failed to infer device type, please set the environment variable"
BAD_ARGUMENT = "vllm serve: error: unrecognized arguments: --max-modellen 5"

AT_START: list[tuple[ExitReason, dict[str, Any]]] = [
    (ExitReason.CUDA_OUT_OF_MEMORY, {"log": [CUDA, DIED, KILLED_AT_START], "exit": 1}),
    (ExitReason.HOST_OUT_OF_MEMORY, {"log": [CPU_MEMORY, DIED], "exit": 1}),
    (ExitReason.ENGINE_CORE_DIED, {"log": [KILLED_AT_START], "exit": 1}),
    (ExitReason.BAD_ARGUMENTS, {"log": ["usage: vllm serve", BAD_ARGUMENT], "exit": 2}),
    (ExitReason.PORT_IN_USE, {"log": ["OSError: [Errno 98] Address already in use"], "exit": 1}),
    (ExitReason.MODEL_NOT_FOUND, {"log": [f"1 validation error for X\n{NO_MODEL}"], "exit": 1}),
    (ExitReason.NO_DEVICE, {"log": [f"RuntimeError: {NO_DEVICE}"], "exit": 1}),
    (ExitReason.KILLED, {"log": ["INFO loading"], "signal": signal.SIGKILL}),
    (ExitReason.UNKNOWN, {"log": ["INFO bye"], "exit": 0}),
]


@pytest.mark.parametrize(("reason", "behaviour"), AT_START, ids=[str(each) for each, _ in AT_START])
async def test_an_end_at_the_start(
    supervise: Any, reason: ExitReason, behaviour: dict[str, Any]
) -> None:
    async with supervise(**behaviour) as running:
        status = await running.ended()
    assert status.state is State.FAILED
    assert status.last_exit is not None
    assert status.last_exit.reason is reason
    last_line = "\n".join(behaviour["log"]).splitlines()[-1]
    assert status.last_exit.log_tail[-1] == last_line


async def test_an_end_in_service_with_exit_code_0(supervise: Any) -> None:
    """As vLLM ends when its engine core has died."""
    async with supervise() as running:
        await running.ready()
        await running.tell(log=[DIED, "INFO:     Finished server process [9]"], exit=0)
        status = await running.ended()
    assert status.last_exit.reason is ExitReason.ENGINE_CORE_DIED
    assert status.last_exit.detail.startswith("Engine core proc EngineCore_DP0 died")
    assert status.last_exit.exit_code == 0


async def test_memory_ran_out_in_service(supervise: Any) -> None:
    async with supervise() as running:
        await running.ready()
        await running.tell(log=[CUDA, DIED], exit=0)
        status = await running.ended()
    assert status.last_exit.reason is ExitReason.CUDA_OUT_OF_MEMORY
    assert "Tried to allocate 2.00 GiB" in status.last_exit.detail


def rising() -> Callable[[], int]:
    """A kernel that kills something between any two looks."""
    numbers: Iterator[int] = count(3)
    return lambda: next(numbers)


@pytest.mark.parametrize(
    "behaviour",
    [{"log": [KILLED_AT_START], "exit": 1}, {"signal": signal.SIGKILL}],
    ids=["engine core", "API server"],
)
async def test_the_kernel_ran_out_of_memory(supervise: Any, behaviour: dict[str, Any]) -> None:
    async with supervise(oom_kills=rising(), **behaviour) as running:
        status = await running.ended()
    assert status.last_exit.reason is ExitReason.HOST_OOM_KILLED


async def test_a_kill_elsewhere_on_the_machine_is_no_reason(supervise: Any) -> None:
    async with supervise(oom_kills=rising(), log=[BAD_ARGUMENT], exit=2) as running:
        status = await running.ended()
    assert status.last_exit.reason is ExitReason.BAD_ARGUMENTS


async def test_an_engine_that_is_not_ready_in_time(supervise: Any) -> None:
    async with supervise(limits={"start": 0.3}, listen=False) as running:
        status = await running.ended()
    assert status.last_exit.reason is ExitReason.START_TIMEOUT
    assert status.last_exit.exit_code is None


async def test_health_503_means_that_the_engine_core_died(supervise: Any) -> None:
    """It stays up and says so: it is ended without waiting for it."""
    async with supervise() as running:
        await running.ready()
        await running.tell(health=503)
        assert (await running.until(lambda status: not status.ready)).state is not State.DRAINING
        status = await running.ended()
    assert status.last_exit.reason is ExitReason.ENGINE_CORE_DIED
    assert status.last_exit.exit_code is None


async def test_a_vanished_engine_core_is_seen_in_the_process_tree(supervise: Any) -> None:
    async with supervise(core=True) as running:
        await running.ready()
        await running.tell(core_exit=True)
        for _ in range(4):  # looks
            last = running.status.last_progress
            await running.until(lambda status, last=last: status.last_progress != last)
        await running.tell(exit=0)
        status = await running.ended()
    assert status.last_exit.reason is ExitReason.ENGINE_CORE_DIED


async def test_a_stalled_engine_that_is_restarted_says_why(supervise: Any) -> None:
    async with supervise(limits={"stall": 0.2, "restart_stalled": True}) as running:
        await running.ready()
        await running.tell(running=1)
        status = await running.ended()
    assert status.last_exit.reason is ExitReason.STALLED


def reason_for(*lines: tuple[float, str], now: float, was_ready: bool) -> ExitReason:
    """Diagnose an exit with code 0 from lines and the seconds at which they came."""
    log = LogEvidence()
    for at, line in lines:
        log.feed(line, at)
    return diagnose(Ending(now=now, exit_code=0, was_ready=was_ready), log)[0]


def test_an_error_that_was_survived_is_no_reason() -> None:
    assert reason_for((0, CUDA), now=3600, was_ready=True) is ExitReason.UNKNOWN
    assert reason_for((3599, CUDA), now=3600, was_ready=True) is ExitReason.CUDA_OUT_OF_MEMORY
    # Loading may take that long.
    assert reason_for((0, CUDA), now=3600, was_ready=False) is ExitReason.CUDA_OUT_OF_MEMORY


@pytest.mark.parametrize(
    "line",
    [
        "INFO 11-23 [logger.py:39] Received request cmpl-1: prompt: 'What is CUDA out of memory?'",
        "(EngineCore_DP0 pid=7) ERROR 11-23 08:24:48 [dump_input.py:79] Dumping: EngineDeadError",
    ],
)
def test_what_a_client_wrote_is_no_reason(line: str) -> None:
    assert reason_for((0, line), now=1, was_ready=True) is ExitReason.UNKNOWN


def test_a_start_error_in_service_is_no_reason() -> None:
    """A client's own mistake is logged in the same words."""
    line = "1 validation error for ChatCompletionRequest"
    assert reason_for((0, line), now=1, was_ready=True) is ExitReason.UNKNOWN


RECORDED = [
    (
        "(EngineCore pid=22703) ERROR 11-23 08:58:43 [core.py:1510] RuntimeError: Worker failed "
        "with error 'Available memory on node 0 (21.24/23.54 GiB) on kv cache allocation is less "
        "than requested memory for kv (64.0 GiB). Decrease --kv-cache-memory-bytes'",
        ExitReason.HOST_OUT_OF_MEMORY,
    ),
    (
        "(EngineCore pid=19858) ERROR 11-23 08:48:50 [multiproc_executor.py:315] Worker proc "
        "VllmWorker-0 died unexpectedly (exit code: -9), shutting down executor.",
        ExitReason.ENGINE_CORE_DIED,
    ),
    (
        "(APIServer pid=9635) ERROR 11-23 08:24:48 [async_llm.py:538] vllm.v1.engine.exceptions."
        "EngineDeadError: EngineCore encountered an issue. See stack trace (above)",
        ExitReason.ENGINE_CORE_DIED,
    ),
    (
        "ValueError: Free memory on device cuda:0 (1.2/22.0 GiB) on startup is less than desired "
        "GPU memory utilization (0.9, 19.8 GiB).",
        ExitReason.CUDA_OUT_OF_MEMORY,
    ),
]


@pytest.mark.parametrize(("line", "reason"), RECORDED)
def test_recorded_lines(line: str, reason: ExitReason) -> None:
    assert reason_for((0, line), now=1, was_ready=False) is reason


def test_colours_are_left_out() -> None:
    log = LogEvidence()
    log.feed(f"\x1b[0;36m(APIServer pid=9)\x1b[0;0m {DIED.partition(') ')[2]}", 0)
    detail = diagnose(Ending(now=1, exit_code=0, was_ready=True), log)[1]
    assert detail.startswith("Engine core proc EngineCore_DP0 died")
    assert log.tail[-1].startswith("(APIServer pid=9) ERROR")


def test_the_message_counts_and_not_the_source_line_before_it() -> None:
    log = LogEvidence()
    log.feed("(APIServer pid=9)     raise LocalEntryNotFoundError(", 0)
    log.feed("(APIServer pid=9) huggingface_hub.errors.LocalEntryNotFoundError: Cannot find it", 0)
    found = diagnose(Ending(now=1, exit_code=1, was_ready=False), log)
    assert found == (
        ExitReason.MODEL_NOT_FOUND,
        "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find it",
    )


def test_what_pydantic_says_after_its_headline_is_kept() -> None:
    log = LogEvidence()
    for line in ("1 validation error for ModelConfig", "  Value error, max_model_len (9) is more"):
        log.feed(line, 0)
    detail = diagnose(Ending(now=1, exit_code=1, was_ready=False), log)[1]
    assert detail == "1 validation error for ModelConfig Value error, max_model_len (9) is more"
