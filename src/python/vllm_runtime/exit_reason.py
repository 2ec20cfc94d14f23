"""Why an engine ended, told from its log, its health and its processes.

Never from the exit code alone: vLLM ends with 0 after its engine core has died.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from vllm_runtime.log_evidence import LogEvidence, Sign


class ExitReason(StrEnum):
    """Why an engine ended, or was ended."""

    CUDA_OUT_OF_MEMORY = "cuda_out_of_memory"
    HOST_OUT_OF_MEMORY = "host_out_of_memory"
    """An allocation in main memory was refused; nobody was killed."""
    HOST_OOM_KILLED = "host_oom_killed"
    ENGINE_CORE_DIED = "engine_core_died"
    BAD_ARGUMENTS = "bad_arguments"
    PORT_IN_USE = "port_in_use"
    MODEL_NOT_FOUND = "model_not_found"
    NO_DEVICE = "no_device"
    """No usable GPU, or a driver that is missing or too old."""
    START_TIMEOUT = "start_timeout"
    STALLED = "stalled"
    """Ended by us, because requests ran and no tokens came."""
    KILLED = "killed"
    UNKNOWN = "unknown"


PERMANENT = frozenset(
    {ExitReason.BAD_ARGUMENTS, ExitReason.PORT_IN_USE, ExitReason.MODEL_NOT_FOUND}
)
"""Reasons that another start meets again."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The circumstances of an end.

    Attributes:
        now: monotonic time in seconds.
        exit_code: of the API server; negative for a signal; None if it still runs.
        was_ready: it had served before.
        ended_for: why we are about to end it, if we are.
        health: last status of /health, None without an answer.
        core_vanished: engine cores were seen, and were gone while the API server still ran.
        oom_kills: processes that the kernel killed for lack of memory during its life.
    """

    now: float
    exit_code: int | None
    was_ready: bool
    ended_for: ExitReason | None = None
    health: int | None = None
    core_vanished: bool = False
    oom_kills: int = 0


def diagnose(ending: Ending, log: LogEvidence) -> tuple[ExitReason, str]:
    """Return the reason and a sentence or log line that shows it."""

    def said(sign: Sign) -> str | None:
        return log.message(sign, ending.now, of_start=not ending.was_ready)

    for rule in (_start_failure, _memory, _our_own, _core_death):
        found = rule(ending, said)
        if found is not None:
            return found
    code = ending.exit_code
    if code is not None and code < 0:
        return ExitReason.KILLED, f"the API server was ended by {_signal_name(-code)}"
    last = log.tail[-1].strip() if log.tail else "nothing"
    return ExitReason.UNKNOWN, f"it ended with exit code {code}; its last line was: {last}"


_Said = Callable[[Sign], str | None]
_Found = tuple[ExitReason, str] | None


def _start_failure(ending: Ending, said: _Said) -> _Found:
    if ending.was_ready:
        return None
    # A model that is not found is reported as an invalid argument too.
    for sign, reason in (
        (Sign.PORT, ExitReason.PORT_IN_USE),
        (Sign.MODEL, ExitReason.MODEL_NOT_FOUND),
        (Sign.DEVICE, ExitReason.NO_DEVICE),
        (Sign.ARGUMENTS, ExitReason.BAD_ARGUMENTS),
    ):
        if line := said(sign):
            return reason, line
    return None


def _memory(ending: Ending, said: _Said) -> _Found:
    if line := said(Sign.CUDA_MEMORY):
        return ExitReason.CUDA_OUT_OF_MEMORY, line
    killed = (
        ending.exit_code == -signal.SIGKILL
        or ending.core_vanished
        or said(Sign.CORE_KILLED) is not None
        or said(Sign.CORE_DIED) is not None
    )
    if killed and ending.oom_kills > 0:
        return (
            ExitReason.HOST_OOM_KILLED,
            "the kernel killed a process for lack of main memory while the engine ran",
        )
    if line := said(Sign.HOST_MEMORY):
        return ExitReason.HOST_OUT_OF_MEMORY, line
    return None


def _our_own(ending: Ending, said: _Said) -> _Found:
    if ending.ended_for is ExitReason.START_TIMEOUT:
        return ExitReason.START_TIMEOUT, "it was not ready in time"
    if ending.ended_for is ExitReason.STALLED:
        return ExitReason.STALLED, "requests ran and no tokens came"
    return None


def _core_death(ending: Ending, said: _Said) -> _Found:
    if line := said(Sign.CORE_KILLED) or said(Sign.CORE_DIED):
        return ExitReason.ENGINE_CORE_DIED, line
    if ending.core_vanished:
        return ExitReason.ENGINE_CORE_DIED, "its processes were gone while the API server still ran"
    if ending.was_ready and ending.health == 503:
        return ExitReason.ENGINE_CORE_DIED, "/health said 503"
    if ending.ended_for is not None:
        return ending.ended_for, "/health gave no good answer any more"
    return None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
