"""How one model's traffic is split between its two stacks. Pure."""

# compiled: runs for each request.

from __future__ import annotations

from dataclasses import dataclass

from querylake_api.rollouts.records.buckets import limit
from querylake_api.rollouts.records.lifecycle import Status


@dataclass(frozen=True, slots=True)
class Split:
    """How one model's traffic is split now.

    Attributes:
        candidates: the upstreams that the rollout is about. If the configuration has others by
            now, this rollout says nothing about them, and the stable stack gets everything.
        below: keys in buckets below this go to the candidate.
        shadow_below: requests of the stable stack in buckets below this are copied.
        watched: whether the candidate is promoted and still watched.
    """

    rollout_id: str
    model: str
    candidates: frozenset[str]
    status: Status
    step: int
    salt: str
    below: int
    shadow_below: int = 0
    allow: frozenset[str] = frozenset()
    deny: frozenset[str] = frozenset()
    sticky: bool = True
    watched: bool = False

    @property
    def judged(self) -> bool:
        """Whether outcomes count."""
        return self.status.live or self.watched


def below(status: Status, percent: float) -> int:
    """Return the limit for a status and the share of its step."""
    if status is Status.PROMOTED:
        return limit(100)
    return limit(percent) if status.live else 0
