"""The totals of each key in one arm, with what is asked of all of them kept up to date.

Every question that is asked at each look takes the same time for three keys and for fifty thousand;
only what stands right before a rollback goes through the keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import starmap

from rollout_statistics.counts import Counts
from rollout_statistics.key_spread import KeySums

WORST_KEPT = 3


@dataclass(slots=True)
class KeyLedger:
    """One arm's keys, for one signal.

    Attributes:
        totals: requests and events of each key.
        trials_squared: the sum of the squares of each key's requests, as in `KeySums`.
        struck: how many keys had the event.
        worst: those that had it most often, the worst first.
        touched: keys whose totals have changed since this was last emptied.
    """

    totals: dict[str, tuple[int, int]] = field(default_factory=dict)
    keys: int = 0
    trials: int = 0
    events: int = 0
    trials_squared: int = 0
    events_squared: int = 0
    products: int = 0
    struck: int = 0
    worst: list[str] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)

    def add(self, key: str, trials: int, events: int) -> None:
        """Count requests of a key, and those of them that had the event."""
        had = self.totals.get(key)
        before, struck = (0, 0) if had is None else had
        after, now = before + trials, struck + events
        self.totals[key] = (after, now)
        self.touched.add(key)
        self.keys += had is None
        self.trials += trials
        self.events += events
        self.trials_squared += after * after - before * before
        self.events_squared += now * now - struck * struck
        self.products += after * now - before * struck
        if events:
            self.struck += struck == 0
            self._rank(key)

    @property
    def sums(self) -> KeySums:
        """Return the sums over the totals of each key."""
        return KeySums(
            self.keys,
            self.trials,
            self.events,
            self.trials_squared,
            self.events_squared,
            self.products,
        )

    def counts(self) -> Iterator[Counts]:
        """Yield the totals of each key."""
        return starmap(Counts, self.totals.values())

    def _rank(self, key: str) -> None:
        if key not in self.worst:
            self.worst.append(key)
        self.worst.sort(key=lambda each: (-self.totals[each][1], each))
        del self.worst[WORST_KEPT:]
