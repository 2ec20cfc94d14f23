"""A circuit breaker: it spares a failing engine, and asks it again by itself. Pure; the caller has
the clock.

    closed     every request passes; so many failures in a row open it
    open       none passes, for a time that doubles with every failed probe
    half_open  one request passes as a probe: its success closes the breaker, its failure opens it

A failure is an engine's own fault. A 4xx or a client that left says nothing of the engine: such a
request is abandoned, neither a success nor a failure.
"""

# compiled: runs for each request.

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BreakerState = Literal["closed", "open", "half_open"]

Ticket = int
"""Handed out with each request that passes, and handed back with its result."""


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a breaker opens, and for how long.

    Attributes:
        failures: how many in a row open it.
        open_seconds: how long it stays open the first time. In half-open, also how long a probe
            without a result keeps the next one back: an answer may take minutes.
        max_open_seconds: how long at most, after repeated failed probes.
    """

    failures: int = 5
    open_seconds: float = 1.0
    max_open_seconds: float = 30.0


class CircuitBreaker:
    """The breaker of one engine.

    Times are seconds on any clock that does not go back. Results of requests that passed before the
    last change of state are ignored: they speak of an engine that was.
    """

    __slots__ = ("_epoch", "_failures", "_next_at", "_open_for", "_policy", "_state")

    def __init__(self, policy: BreakerPolicy | None = None) -> None:
        self._policy = policy or BreakerPolicy()
        self._state: Literal["closed", "tripped", "probing"] = "closed"
        self._epoch = 0
        self._failures = 0
        self._open_for = 0.0
        self._next_at = 0.0
        """When the next probe may pass, if the breaker is not closed."""

    def state(self, now: float) -> BreakerState:
        """Return the state at a moment."""
        if self._state == "tripped":
            return "open" if now < self._next_at else "half_open"
        return "closed" if self._state == "closed" else "half_open"

    def admits(self, now: float) -> bool:
        """Return whether `enter` would let a request pass now."""
        return self._state == "closed" or now >= self._next_at

    def retry_after(self, now: float) -> float:
        """Return how many seconds from now a request may pass; 0 if one may already."""
        return 0.0 if self._state == "closed" else max(0.0, self._next_at - now)

    def enter(self, now: float) -> Ticket | None:
        """Let a request pass, or return None."""
        if self._state == "closed":
            return self._epoch
        if now < self._next_at:
            return None
        if self._state == "tripped":
            self._state = "probing"
            self._epoch += 1
        self._next_at = now + self._policy.open_seconds
        return self._epoch

    def probing(self, ticket: Ticket) -> bool:
        """Return whether a request decides on closing the breaker, so that its result is urgent."""
        return self._state == "probing" and ticket == self._epoch

    def succeed(self, ticket: Ticket) -> None:
        """Note that the engine did what it should."""
        if ticket != self._epoch:
            return
        self._failures = 0
        if self._state == "probing":
            self._state = "closed"
            self._open_for = 0.0
            self._epoch += 1

    def fail(self, ticket: Ticket, now: float) -> None:
        """Note a fault of the engine."""
        if ticket != self._epoch:
            return
        self._failures += 1
        if self._state == "probing" or self._failures >= self._policy.failures:
            self._trip(now)

    def abandon(self, ticket: Ticket, now: float) -> None:
        """Note that the request ended without saying anything of the engine."""
        if self._state == "probing" and ticket == self._epoch:
            self._next_at = min(self._next_at, now)

    def _trip(self, now: float) -> None:
        policy = self._policy
        self._open_for = min(max(policy.open_seconds, 2 * self._open_for), policy.max_open_seconds)
        self._state = "tripped"
        self._epoch += 1
        self._failures = 0
        self._next_at = now + self._open_for
