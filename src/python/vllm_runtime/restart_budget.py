"""How often, and how soon, an engine is started again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """Bounds on restarts.

    Attributes:
        max_restarts: in a row; 0 never starts again.
        backoff_seconds: before the first restart; doubles with each further one.
        backoff_max_seconds: where that ends.
        stable_seconds: being ready for this long makes the next restart a first one again.
    """

    max_restarts: int = 3
    backoff_seconds: float = 1.0
    backoff_max_seconds: float = 60.0
    stable_seconds: float = 300.0


class RestartBudget:
    """Counts restarts in a row."""

    def __init__(self, policy: RestartPolicy) -> None:
        self._policy = policy
        self._in_a_row = 0

    def next_delay(self, ready_seconds: float) -> float | None:
        """Return how long to wait before starting again; None if that is over.

        Args:
            ready_seconds: how long the engine that has ended had been ready.
        """
        if ready_seconds >= self._policy.stable_seconds:
            self._in_a_row = 0
        if self._in_a_row >= self._policy.max_restarts:
            return None
        delay = self._policy.backoff_seconds * float(2**self._in_a_row)
        self._in_a_row += 1
        return min(delay, self._policy.backoff_max_seconds)
