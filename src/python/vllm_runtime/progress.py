"""Whether an engine that has requests also makes progress.

An engine core that is stuck leaves /health at 200 and lets requests hang; what shows it is that
requests are there while no token is counted.
"""

from __future__ import annotations

from vllm_runtime.engine_client import EngineMetrics


class ProgressWatch:
    """Remembers when an engine last did something, or had nothing to do.

    Attributes:
        since: that moment, in the caller's seconds.
    """

    def __init__(self, now: float) -> None:
        self.since = now
        self._last: tuple[int, float] | None = None
        self._least_load = 0

    def observe(
        self,
        metrics: EngineMetrics | None,
        now: float,
        *,
        load: int | None = None,
        frozen: bool = False,
    ) -> None:
        """Take a look at the engine.

        Args:
            metrics: None if the engine gave none, which is no progress.
            load: requests that the API server has taken. It counts only as far as it has risen
                since the last progress, because it may have drifted before.
            frozen: a process of the engine is stopped, so that even idleness is no good sign: it
                would not take a request.
        """
        if metrics is None or frozen:
            return
        seen = (metrics.tokens, metrics.cache_usage)
        moved = seen != self._last
        load = load or 0
        self._least_load = load if moved else min(self._least_load, load)
        if moved or (metrics.idle and load <= self._least_load):
            self.since = now
        self._last = seen

    def stalled(self, now: float, seconds: float) -> bool:
        """Whether nothing has moved for longer than some seconds."""
        return now - self.since > seconds
