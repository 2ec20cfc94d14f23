"""What workers report of finished requests: how many were alike in everything that is judged."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from querylake_api.settings import Role


class Kind(NamedTuple):
    """Requests that are alike in everything that is judged.

    Attributes:
        arm: who answered.
        stratum: endpoint, whether streamed, and the prompt's size: compared among themselves only.
        key: whose they are; empty if each request is drawn by itself.
        first_token: `running_quantile` bucket of the seconds to it; None if there was none.
        gap: likewise of the p95 of the pauses.
    """

    arm: Role
    stratum: str
    key: str
    failed: bool
    first_token: int | None
    gap: int | None


@dataclass(frozen=True, slots=True)
class Batch:
    """What one worker has counted for one step of a rollout."""

    rollout_id: str
    step: int
    counts: Counter[Kind]
