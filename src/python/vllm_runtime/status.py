"""What the second port says: the state of the engine as JSON and as Prometheus text."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from vllm_runtime.exit_reason import ExitReason


class State(StrEnum):
    """Where the engine is in its life."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    """It is about to end: requests in flight finish, and none should be sent any more."""
    STALLED = "stalled"
    """It has requests, or cannot take any, and nothing moves."""
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPED = "stopped"


class LastExit(BaseModel):
    """How the engine before this one ended.

    Attributes:
        exit_code: of the API server, negative for a signal, None if we ended it. Proves nothing.
        log_tail: its last lines, oldest first.
    """

    model_config = ConfigDict(frozen=True)

    reason: ExitReason
    detail: str
    at: datetime
    exit_code: int | None
    log_tail: tuple[str, ...]


class Status(BaseModel):
    """`GET /runtime/status`.

    Attributes:
        ready: requests may be sent; false in every state but `ready`, and when /health is not 200.
        since: when this state began.
        restarts: since this program started.
        requests_running: None while the engine does not say.
        tokens_total: prompt and generated tokens since the engine started.
        last_progress: when tokens last moved, or there was nothing to do.
        engine_rss_bytes: resident memory of all its processes; what they share counts for each.
        config_sha256: over model, arguments and the profile's environment.
    """

    model_config = ConfigDict(frozen=True)

    state: State
    ready: bool
    since: datetime
    model: str
    restarts: int = 0
    restarts_by_reason: dict[ExitReason, int] = {}
    last_exit: LastExit | None = None
    engine_pid: int | None = None
    engine_port: int
    requests_running: int | None = None
    requests_waiting: int | None = None
    tokens_total: int | None = None
    last_progress: datetime | None = None
    engine_rss_bytes: int = 0
    versions: dict[str, str | None]
    config_sha256: str


def prometheus_text(status: Status) -> str:
    """Return the status in the Prometheus text format, version 0.0.4."""
    return "".join(f"{line}\n" for line in _lines(status))


def _lines(status: Status) -> Iterator[str]:
    yield from _metric(
        "up", "gauge", "1 while the engine is ready for requests.", int(status.ready)
    )
    yield from _head("state", "gauge", "1 for the current state of the engine.")
    for state in State:
        yield f'vllm_runtime_state{{state="{state}"}} {int(state is status.state)}'
    yield from _head(
        "restarts_total", "counter", "Restarts of the engine, by the reason of its exit."
    )
    for reason in ExitReason:
        count = status.restarts_by_reason.get(reason, 0)
        yield f'vllm_runtime_restarts_total{{reason="{reason}"}} {count}'
    yield from _metric(
        "engine_resident_memory_bytes",
        "gauge",
        "Resident memory of all the engine's processes.",
        status.engine_rss_bytes,
    )
    if status.last_progress is not None:
        yield from _metric(
            "last_progress_timestamp_seconds",
            "gauge",
            "Unix time of the last generated token, or of the last moment without requests.",
            status.last_progress.timestamp(),
        )
    if status.requests_running is not None:
        yield from _metric(
            "requests_running",
            "gauge",
            "Running requests, as vLLM reports them.",
            status.requests_running,
        )
    if status.requests_waiting is not None:
        yield from _metric(
            "requests_waiting",
            "gauge",
            "Requests in the queue, as vLLM reports them.",
            status.requests_waiting,
        )


def _metric(name: str, kind: str, meaning: str, value: int | float) -> Iterator[str]:
    yield from _head(name, kind, meaning)
    yield (
        f"vllm_runtime_{name} {value:.3f}"
        if isinstance(value, float)
        else (f"vllm_runtime_{name} {value}")
    )


def _head(name: str, kind: str, meaning: str) -> Iterator[str]:
    yield f"# HELP vllm_runtime_{name} {meaning}"
    yield f"# TYPE vllm_runtime_{name} {kind}"
