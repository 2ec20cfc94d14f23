"""The times and bounds that the supervisor keeps to."""

from __future__ import annotations

from dataclasses import dataclass, field

from vllm_runtime.restart_budget import RestartPolicy


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds.

    Attributes:
        start: from the process's start until /health is 200; loading may include a download.
        poll: between two looks.
        drain_notice: between saying `draining` and refusing new requests, so that whoever routes
            here reads it and stops without one being refused.
        drain: how long requests in flight may take after that.
        term: how long SIGTERM may take before SIGKILL.
        stall: without any progress while there are requests; the first ones may compile.
        dead: with /health at 503, or nobody on the port, while the API server still runs.
        restart_stalled: end and restart a stalled engine, instead of only saying so.
    """

    start: float = 1800.0
    poll: float = 1.0
    drain_notice: float = 5.0
    drain: float = 120.0
    term: float = 10.0
    stall: float = 120.0
    dead: float = 10.0
    restart_stalled: bool = False
    restarts: RestartPolicy = field(default_factory=RestartPolicy)
