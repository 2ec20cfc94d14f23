"""What is known of one running engine, from looking at it again and again."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from vllm_runtime.engine_client import EngineMetrics, Observation, observe
from vllm_runtime.engine_process import EngineProcess
from vllm_runtime.exit_reason import Ending, ExitReason
from vllm_runtime.limits import Limits
from vllm_runtime.process_family import Process
from vllm_runtime.progress import ProgressWatch

_CORE_NAME = "VLLM::"
"""How vLLM names the processes of its engine cores and workers."""

_LOOKS = 2
"""How often a thing is seen before it is believed. A request that was just taken is not counted at
once, and at an orderly end the engine cores go a moment before the API server."""


@dataclass(slots=True)
class EngineRun:
    """One engine from its start to its end.

    Attributes:
        oom_kills: the kernel's count when it started.
        ready_at: when /health was 200 for the first time.
        health: last status of /health, None without an answer.
        metrics: last figures, None if the engine gave none.
        rss: resident memory of all its processes in bytes.
    """

    process: EngineProcess
    oom_kills: int | None
    started: float = field(default_factory=time.monotonic)
    ready_at: float | None = None
    health: int | None = None
    metrics: EngineMetrics | None = None
    rss: int = 0
    _progress: ProgressWatch = field(init=False)
    _dead_since: float | None = None
    _cores_seen: bool = False
    _looks_without_cores: int = 0
    _idle_looks: int = 0

    def __post_init__(self) -> None:
        self._progress = ProgressWatch(self.started)

    @property
    def last_progress(self) -> float:
        """When tokens last moved, or there was nothing to do."""
        return self._progress.since

    @property
    def idle(self) -> bool:
        """No request is left; believed only after several looks."""
        return self._idle_looks >= _LOOKS

    async def look(self, host: str, port: int) -> None:
        """Ask the engine, and look at its processes."""
        seen = await asyncio.to_thread(observe, host, port)
        processes = self.process.family.alive()
        now = time.monotonic()
        self.rss = sum(process.rss for process in processes)
        self.metrics = seen.metrics
        self._note_health(seen, now)
        self._note_cores(processes)
        frozen = any(process.state == "T" for process in processes)
        self._progress.observe(seen.metrics, now, load=seen.load, frozen=frozen)
        # A load that has drifted upwards only makes a drain longer.
        quiet = seen.metrics is not None and seen.metrics.idle and (seen.load or 0) <= 0
        self._idle_looks = self._idle_looks + 1 if quiet else 0

    def expect_requests(self) -> None:
        """Being idle up to now says nothing: requests may be on their way."""
        self._idle_looks = 0

    def ready_seconds(self) -> float:
        """Return for how long it has been ready."""
        return 0.0 if self.ready_at is None else time.monotonic() - self.ready_at

    def stalled(self, limits: Limits) -> bool:
        """Whether it has requests, or could take none, and nothing has moved for too long."""
        return self.ready_at is not None and self._progress.stalled(time.monotonic(), limits.stall)

    def to_be_ended(self, limits: Limits) -> ExitReason | None:
        """Return why it has to be ended although its process runs; None if it need not."""
        now = time.monotonic()
        if self.ready_at is None:
            return ExitReason.START_TIMEOUT if now - self.started > limits.start else None
        if self._dead_since is not None and now - self._dead_since > limits.dead:
            return ExitReason.ENGINE_CORE_DIED if self.health == 503 else ExitReason.UNKNOWN
        if limits.restart_stalled and self.stalled(limits):
            return ExitReason.STALLED
        return None

    def ending(self, ended_for: ExitReason | None, oom_kills: int | None) -> Ending:
        """Return the circumstances of its end, which is now.

        Args:
            oom_kills: the kernel's count of now.
        """
        exited = self.process.exited
        counted = oom_kills is not None and self.oom_kills is not None
        return Ending(
            now=time.monotonic(),
            exit_code=exited.result() if exited.done() else None,
            was_ready=self.ready_at is not None,
            ended_for=ended_for,
            health=self.health,
            core_vanished=self._looks_without_cores >= _LOOKS,
            oom_kills=(oom_kills or 0) - (self.oom_kills or 0) if counted else 0,
        )

    def _note_health(self, seen: Observation, now: float) -> None:
        self.health = seen.health
        if seen.health == 200 and self.ready_at is None:
            self.ready_at = now
            self._progress = ProgressWatch(now)
        dead = self.ready_at is not None and (seen.refused or seen.health == 503)
        self._dead_since = (self._dead_since or now) if dead else None

    def _note_cores(self, processes: list[Process]) -> None:
        if any(process.name.startswith(_CORE_NAME) for process in processes):
            self._cores_seen = True
            self._looks_without_cores = 0
        elif self._cores_seen and not self.process.exited.done():
            self._looks_without_cores += 1
