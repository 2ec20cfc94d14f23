"""What was counted of a stratum since its last block.

Where requests are few, a look often finds those of one arm alone, which say nothing by themselves:
the block then goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from querylake_api.rollouts.records.outcomes import Kind
from querylake_api.settings import Role

ENOUGH = 2
MAX_LOOKS = 5
"""A block ends once both arms have so many requests in it, at the latest after so many looks."""


@dataclass(slots=True)
class OpenBlock:
    """A block that is not judged yet.

    Attributes:
        looks: that found something.
    """

    counts: Counter[Kind] = field(default_factory=Counter)
    looks: int = 0

    def add(self, kinds: Iterable[tuple[Kind, int]]) -> None:
        """Take in what a look has found."""
        self.counts.update(dict(kinds))
        self.looks += 1

    @property
    def complete(self) -> bool:
        """Whether it is to be judged: by how many there are, never by what became of them."""
        arms: Counter[Role] = Counter()
        for kind, count in self.counts.items():
            arms[kind.arm] += count
        return self.looks >= MAX_LOOKS or min(arms["stable"], arms["candidate"]) >= ENOUGH
