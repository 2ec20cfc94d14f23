"""From looks at an engine to its condition. Pure; the caller has the clock."""

from __future__ import annotations

from dataclasses import dataclass

from llm_provider.engine_metrics import EngineMetrics, ProgressWatch
from llm_provider.provider import Health
from querylake_api.upstreams.facts import Condition
from querylake_api.upstreams.runtime_status import RuntimeStatus

_CONDITIONS: dict[str, Condition] = {
    "starting": "starting",
    "restarting": "starting",
    "draining": "draining",
    "stalled": "stalled",
    "failed": "down",
    "stopped": "down",
}
"""By the supervisor's word for its state; `ready` and words of the future are not here."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at an engine.

    Attributes:
        health: None if there was no answer in time.
        metrics: None if the engine has none that can be read.
        runtime: None if it has no supervisor, or that does not answer.
        answered: whether it has answered a request well since the look before.
        unanswered: requests that wait for its first byte.
    """

    health: Health | None
    metrics: EngineMetrics | None = None
    runtime: RuntimeStatus | None = None
    answered: bool = False
    unanswered: int = 0


@dataclass(frozen=True, slots=True)
class HealthPolicy:
    """When an engine leaves the rotation and comes back.

    Attributes:
        failures: bad looks in a row that take it out.
        successes: good looks in a row that bring it back.
        stall_seconds: how long it may have requests and make no token.
    """

    failures: int = 3
    successes: int = 1
    stall_seconds: float = 60.0


class Judge:
    """Forms an opinion of one engine.

    Attributes:
        condition: the opinion.
        detail: one clause about it.
        restarts: how often the engine was seen to have been started anew.
    """

    def __init__(self, policy: HealthPolicy) -> None:
        self._policy = policy
        self._progress = ProgressWatch()
        self._failures = 0
        self._successes = 0
        self._supervised_restarts: int | None = None
        self._started_at: float | None = None
        self.condition: Condition = "unknown"
        self.detail = "not looked at yet"
        self.restarts = 0

    @property
    def settled(self) -> bool:
        """Whether all is well, and the next look is in no hurry."""
        return self.condition == "up" and not self._failures

    @property
    def stalled_seconds(self) -> float:
        """For how long the engine was last seen to have requests and do nothing for them."""
        return self._progress.stalled_seconds

    def consider(self, look: Look, now: float) -> None:
        """Form the opinion anew."""
        self._count_restarts(look)
        if look.metrics is not None:
            self._progress.observe(look.metrics, now, look.unanswered)
        self._count_health(look)
        self.condition, self.detail = self._opinion(look)

    def _opinion(self, look: Look) -> tuple[Condition, str]:
        if look.runtime is not None and look.runtime.state in _CONDITIONS:
            return _CONDITIONS[look.runtime.state], f"its supervisor says {look.runtime.state}"
        detail = "no answer in time" if look.health is None else look.health.detail
        if self._failures:
            first = self.condition == "unknown"
            if first or self._failures >= self._policy.failures or self.condition != "up":
                return "down", detail
            return "up", f"{detail}, for the first time"
        stalled = self.stalled_seconds
        # To call it stalled takes metrics; metrics that are gone do not take it back.
        told = look.metrics is not None or self.condition == "stalled"
        if told and stalled >= self._policy.stall_seconds:
            return "stalled", f"requests run, and no token was made for {stalled:.0f} s"
        if self.condition == "down" and self._successes < self._policy.successes:
            return "down", f"{detail}, {self._successes} of {self._policy.successes} good looks"
        return "up", detail

    def _count_health(self, look: Look) -> None:
        if look.health is not None and look.health.ok:
            self._failures = 0
            self._successes += 1
        elif look.health is None and look.answered:
            # Under load a health endpoint may be slower than we wait. Answers are better evidence.
            self._failures = 0
        else:
            self._failures += 1
            self._successes = 0

    def _count_restarts(self, look: Look) -> None:
        """Compare with the look before. The supervisor's word counts for more than the engine's."""
        if look.runtime is not None:
            before, after = self._supervised_restarts, look.runtime.restarts
            if before is not None and after != before:
                # A supervisor that counts less than before was itself started anew.
                self.restarts += max(1, after - before)
            self._supervised_restarts = after
        elif look.metrics is not None and look.metrics.started_at is not None:
            if self._started_at is not None and look.metrics.started_at != self._started_at:
                self.restarts += 1
            self._started_at = look.metrics.started_at
