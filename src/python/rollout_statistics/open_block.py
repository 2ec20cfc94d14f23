"""What was counted of a stratum since its last block.

Where requests are few, a look often finds those of one arm alone, which say nothing by themselves:
the block then goes on, for hours if it must. Both arms are compared inside it whatever its length.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from rollout_statistics.outcomes import Arm, Kind

ENOUGH = 2
MAX_SECONDS = 6 * 3600.0
"""A block ends once both arms have so many requests in it, or after so long."""


@dataclass(slots=True)
class OpenBlock:
    """A block that is not judged yet.

    Attributes:
        since: when it began, in seconds since the rollout began.
    """

    since: float
    counts: Counter[Kind] = field(default_factory=Counter)
    arms: Counter[Arm] = field(default_factory=Counter)

    def add(self, kinds: Iterable[tuple[Kind, int]]) -> None:
        """Take in what a look has found."""
        for kind, count in kinds:
            self.counts[kind] += count
            self.arms[kind.arm] += count

    def complete(self, at: float) -> bool:
        """Return whether it is to be judged: by how many there are, never by their outcomes."""
        fewest = min(self.arms["stable"], self.arms["candidate"])
        return fewest >= ENOUGH or at - self.since >= MAX_SECONDS
