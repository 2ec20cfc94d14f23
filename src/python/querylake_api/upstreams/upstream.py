"""One engine as the router sees it: what is under way to it, and whether it may have more."""

# compiled: runs for each request.

from __future__ import annotations

import time

from llm_provider.breaker import BreakerPolicy, CircuitBreaker
from llm_provider.provider import LLMProvider
from querylake_api.upstreams.facts import ROUTABLE, Condition, LastExit, UpstreamFacts
from querylake_api.upstreams.judge import HealthPolicy, Judge, Look
from querylake_api.upstreams.look_clock import LookClock
from querylake_api.upstreams.misfits import Misfits
from querylake_api.upstreams.pace import Pace


class Upstream:
    """The state of one engine in this worker process.

    Attributes:
        outstanding: requests under way.
        unanswered: those of them that wait for the first byte.
        last_used: a number that grows with every request that any engine gets.
        held_until: until then it gets requests only if no other engine can take them; it said that
            it has enough. Seconds of `time.monotonic`.
        answered: whether it has answered well since the last look at it.
        looks: how long looks at it take.
        misfits: what it does not have although it is configured to.
        connect_failures: attempts in a row that did not connect.
        stream_usage: whether it can be asked to tell the usage of a stream.
        pace: how it is looked at while somebody has to know sooner than usual.
    """

    __slots__ = (
        "_condition_since",
        "_judge",
        "_last_error",
        "_last_error_at",
        "_last_exit",
        "_last_look",
        "_last_restart_at",
        "_routable",
        "answered",
        "breaker",
        "connect_failures",
        "held_until",
        "last_used",
        "looks",
        "misfits",
        "name",
        "outstanding",
        "pace",
        "provider",
        "stream_usage",
        "unanswered",
    )

    def __init__(
        self,
        provider: LLMProvider,
        breaker: BreakerPolicy | None = None,
        health: HealthPolicy | None = None,
        *,
        stream_usage: bool = True,
    ) -> None:
        self.name = provider.name
        self.provider = provider
        self.breaker = CircuitBreaker(breaker)
        self.outstanding = 0
        self.unanswered = 0
        self.last_used = 0
        self.held_until = 0.0
        self.answered = False
        self.connect_failures = 0
        self.looks = LookClock()
        self.misfits = Misfits(provider.name)
        self.stream_usage = stream_usage
        self.pace: Pace | None = None
        self._judge = Judge(health or HealthPolicy())
        self._routable = True
        self._condition_since = time.time()
        self._last_look: Look | None = None
        self._last_restart_at: float | None = None
        self._last_exit: LastExit | None = None
        self._last_error: str | None = None
        self._last_error_at: float | None = None

    @property
    def condition(self) -> Condition:
        """How the engine is, by the last look at it."""
        return self._judge.condition

    @property
    def detail(self) -> str:
        """One clause about its condition."""
        return self._judge.detail

    @property
    def settled(self) -> bool:
        """Whether it is well, and the next look at it in no hurry."""
        return self._judge.settled

    @property
    def in_rotation(self) -> bool:
        """Whether its condition lets it have requests."""
        return self._routable

    def admits(self, now: float) -> bool:
        """Return whether a request may be sent; `now` is of `time.monotonic`."""
        return self._routable and self.breaker.admits(now)

    def note_answer(self) -> None:
        """Note that it did what it should."""
        self.answered = True
        self.connect_failures = 0

    def note_failure(self, reason: str, *, connected: bool) -> None:
        """Note why a request failed, and whether there was a connection at least."""
        self._last_error = reason
        self._last_error_at = time.time()
        self.connect_failures = 0 if connected else self.connect_failures + 1

    def consider(self, look: Look, now: float) -> bool:
        """Take in a look at the engine, and return whether its condition is another now."""
        judge = self._judge
        before, restarts = judge.condition, judge.restarts
        judge.consider(look, now)
        self._last_look = look
        self.answered = False
        if judge.restarts != restarts:
            self._last_restart_at = time.time()
        if look.runtime is not None and look.runtime.last_exit is not None:
            told = look.runtime.last_exit
            self._last_exit = LastExit(told.reason, told.detail, told.at.timestamp())
        if judge.condition == before:
            return False
        self._condition_since = time.time()
        self._routable = judge.condition in ROUTABLE
        return True

    def facts(self) -> UpstreamFacts:
        """Return what is known now."""
        now = time.monotonic()
        running, waiting, tokens = _work(self._last_look)
        metrics = None if self._last_look is None else self._last_look.metrics
        return UpstreamFacts(
            name=self.name,
            condition=self._judge.condition,
            detail="; ".join((self._judge.detail, *self.misfits.reasons())),
            unfit=bool(self.misfits),
            look_seconds=self.looks.slowness(now),
            silent_seconds=self.looks.silence(now),
            prefix_queries=None if metrics is None else metrics.prefix_queries,
            prefix_hits=None if metrics is None else metrics.prefix_hits,
            since=self._condition_since,
            in_rotation=self._routable,
            breaker=self.breaker.state(now),
            outstanding=self.outstanding,
            connect_failures=self.connect_failures,
            restarts=self._judge.restarts,
            last_restart_at=self._last_restart_at,
            last_exit=self._last_exit,
            last_error=self._last_error,
            last_error_at=self._last_error_at,
            requests_running=running,
            requests_waiting=waiting,
            tokens_total=tokens,
            stalled_seconds=self._judge.stalled_seconds,
            supervisor_told=self._last_look is not None and self._last_look.runtime is not None,
        )


def _work(look: Look | None) -> tuple[int | None, int | None, int | None]:
    """Return requests running, requests waiting, and tokens made, as far as anybody tells."""
    if look is None:
        return None, None, None
    if look.metrics is not None:
        return look.metrics.running, look.metrics.waiting, look.metrics.tokens
    if look.runtime is not None:
        runtime = look.runtime
        return runtime.requests_running, runtime.requests_waiting, runtime.tokens_total
    return None, None, None
