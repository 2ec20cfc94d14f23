"""What workers report of finished requests: how many were alike in everything that is judged."""

# compiled: runs for each request.

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from rollout_statistics.outcomes import Kind


@dataclass(frozen=True, slots=True)
class Batch:
    """What one worker has counted for one step of a rollout."""

    rollout_id: str
    step: int
    counts: Counter[Kind]
