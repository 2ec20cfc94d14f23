"""How long requests to each model's stable stack have waited for a token lately.

What a candidate that stands still is held against. That the stable stack stands still as a whole
says little: it has so many requests that one of them always gets on.
"""

# compiled: runs for each request.

from __future__ import annotations

from typing import Final

from querylake_api.requests.record import RequestRecord

WINDOW_SECONDS: Final = 300.0
"""A wait is remembered for one to two of these windows."""


class TokenWaits:
    """The longest waits, by model. They are noted also while no rollout runs, so that a rollout
    that has just begun has something to compare with.

    Whole responses hide when their tokens were made. Their duration is an upper bound of the wait,
    which counts only for models of which nothing is streamed.
    """

    def __init__(self) -> None:
        self._streams: dict[str, _Longest] = {}
        self._wholes: dict[str, _Longest] = {}

    def note(self, record: RequestRecord) -> None:
        """Note a request to a stable stack that has ended, in whatever way."""
        workload, timing = record.workload, record.timing
        kept = self._streams if workload.streamed else self._wholes
        longest = kept.get(workload.model)
        if longest is None:
            longest = kept[workload.model] = _Longest()
        first = timing.duration if timing.first_token is None else timing.first_token
        # Waiting in this API's own queue is no wait for the engine.
        longest.note(first - record.engines.queued_seconds, timing.finished_at)
        gaps = timing.gaps
        # No pause is longer than their sum: most streams need no second look.
        if gaps is not None and gaps.total > longest.current:
            pause = gaps.quantile(1.0)
            if pause is not None:
                longest.note(pause, timing.finished_at)

    def streams(self, model: str, now: float) -> bool:
        """Return whether anything of a model was streamed lately."""
        longest = self._streams.get(model)
        return longest is not None and longest.noted(now)

    def longest(self, model: str, now: float) -> float:
        """Return the longest wait of requests that have ended; 0 if there were none.

        Args:
            now: `perf_counter` seconds.
        """
        kept = self._streams if self.streams(model, now) else self._wholes
        longest = kept.get(model)
        return 0.0 if longest is None else longest.until(now)


class _Longest:
    """The longest of some times, in this window and in the one before.

    Attributes:
        current: the longest of this window.
    """

    __slots__ = ("_before", "_since", "_used", "current")

    def __init__(self) -> None:
        self.current = 0.0
        self._before = 0.0
        self._since = 0.0
        self._used = 0.0
        """When something was noted last."""

    def note(self, seconds: float, now: float) -> None:
        self._turn(now)
        self._used = now
        if seconds > self.current:
            self.current = seconds

    def noted(self, now: float) -> bool:
        return now - self._used < 2 * WINDOW_SECONDS

    def until(self, now: float) -> float:
        self._turn(now)
        return max(self.current, self._before)

    def _turn(self, now: float) -> None:
        """Begin another window if this one is over."""
        passed = now - self._since
        if passed < WINDOW_SECONDS:
            return
        self._before = self.current if passed < 2 * WINDOW_SECONDS else 0.0
        self.current = 0.0
        self._since = now
