"""What was counted in the two arms, in blocks.

A block holds the requests that finished between two looks, of one stratum. Its sizes may depend on
anything but the outcomes in it, and rates may differ freely from block to block: both arms are only
ever compared inside one block, so a burst that strikes both, or a new share of the traffic, is no
evidence against either.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests, and those of them to which the event of interest happened.

    Raises:
        ValueError: there are more events than requests, or fewer than none.
    """

    trials: int = 0
    events: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.events <= self.trials:
            raise ValueError(f"{self.events} events among {self.trials} requests cannot be")

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.trials + other.trials, self.events + other.events)

    @property
    def rate(self) -> float:
        """Events per request; 0 without requests."""
        return self.events / self.trials if self.trials else 0.0


@dataclass(frozen=True, slots=True)
class Block:
    """Both arms over the same moment."""

    control: Counts
    canary: Counts
