"""What is known of an engine at one moment, to be read and not changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llm_provider.breaker import BreakerState

Condition = Literal["unknown", "up", "starting", "draining", "stalled", "down"]
"""How an engine is, as far as active checks can tell.

unknown: not looked at yet, or never to be. starting, draining: its supervisor says so. stalled: it
has requests and makes no token, whatever its health endpoint says. down: it does not answer, or not
well.
"""

ROUTABLE: frozenset[Condition] = frozenset({"unknown", "up"})
"""The conditions in which an engine gets requests."""

_OUT_OF_MEMORY = frozenset({"cuda_out_of_memory", "host_out_of_memory", "host_oom_killed"})


@dataclass(frozen=True, slots=True)
class LastExit:
    """How the engine's previous process ended, as its supervisor tells it.

    Attributes:
        reason: one of `vllm_runtime.exit_reason.ExitReason`.
        at: Unix seconds.
    """

    reason: str
    detail: str
    at: float

    @property
    def out_of_memory(self) -> bool:
        """Whether memory ran out, on the GPU or beside it."""
        return self.reason in _OUT_OF_MEMORY


@dataclass(frozen=True, slots=True)
class UpstreamFacts:
    """One engine at one moment. Moments are Unix seconds, and counts are of this worker process.

    Attributes:
        detail: one clause about the condition, and one about each thing that it does not have.
        since: when the condition began.
        in_rotation: whether its condition lets it have requests; its breaker may still refuse.
        outstanding: requests under way to it.
        connect_failures: attempts in a row that did not even connect, up to now.
        restarts: how often its engine was seen to have been started anew.
        last_restart_at: when that was last seen.
        last_exit: None if there was none, or if nobody tells.
        last_error: why the last request that failed did so.
        requests_running: as the engine counts them, for all its callers; None if it does not say.
        requests_waiting: in the engine; None if it does not say.
        tokens_total: since the engine started; None if it does not say.
        stalled_seconds: for how long it was last seen to have requests and make no token.
        supervisor_told: whether a supervisor answered at the last look.
        look_seconds: how long the last look took, or the one under way if that is longer.
        silent_seconds: for how long its health endpoint has said nothing although it was asked.
        prefix_queries: prompt tokens that its prefix cache was asked for since the engine started;
            None if it does not say.
        prefix_hits: those of them that were there.
        unfit: whether it lacks a route or a model that it is configured to have.
    """

    name: str
    condition: Condition
    detail: str
    since: float
    in_rotation: bool
    breaker: BreakerState
    outstanding: int
    connect_failures: int
    restarts: int
    last_restart_at: float | None
    last_exit: LastExit | None
    last_error: str | None
    last_error_at: float | None
    requests_running: int | None
    requests_waiting: int | None
    tokens_total: int | None
    stalled_seconds: float
    supervisor_told: bool
    unfit: bool = False
    look_seconds: float = 0.0
    silent_seconds: float = 0.0
    prefix_queries: int | None = None
    prefix_hits: int | None = None
