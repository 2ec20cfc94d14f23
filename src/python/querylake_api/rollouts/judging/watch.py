"""The watch after a promotion: is what everybody got now clearly broken?

The stable stack has no requests any more, so nothing runs beside the candidate to be compared with.
What is left is what the stable stack had in the last step: far more errors than that, from several
keys, are a clear error. The bar is high on purpose: hours differ, and a promotion was judged.

For each signal, the rate that is borne is `TIMES` the upper end of the stable stack's interval, and
`POINTS` above it at least. Page's cumulative sum (Biometrika 41, 1954) of the log likelihood ratio
against higher rates finds the moment from which the rate is beyond that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rollout_statistics.counts import Counts
from rollout_statistics.key_ledger import KeyLedger
from rollout_statistics.key_spread import stands_without_worst
from rollout_statistics.outcomes import Kind
from rollout_statistics.signals import NAMES, Signal

ERRORS: tuple[Signal, ...] = ("failed", "rejected", "refused", "abandoned")

TIMES = 3.0
POINTS = 0.05
LOG_RATIO = math.log(1_000_000)
"""How much evidence is a clear error. At the very rate that is borne, each of the sums gets there
in a million requests, or later, if these are independent (Lorden 1971); below it, hardly ever."""

WORST_KEYS = 2
"""The error must be one without the worst keys: one broken client is no broken stack."""

FEW_KEYS = 2
NEARLY_ALL = 0.9
"""Where few keys send everything, it is a clear error too if nearly all requests of two fail."""


def borne(judgement: Mapping[str, Any] | None) -> dict[Signal, float]:
    """Return the rate of each signal that is borne after a promotion.

    Args:
        judgement: the last one before it; None if there was none, and the bar is `POINTS`.
    """
    shown = (judgement or {}).get("signals", [])
    usual = {each["signal"]: each["stable"]["high"] for each in shown if each["stable"]["requests"]}
    return {
        signal: min(
            0.9, max(POINTS, TIMES * usual.get(signal, 0.0), usual.get(signal, 0.0) + POINTS)
        )
        for signal in ERRORS
    }


@dataclass(slots=True)
class _ErrorWatch:
    """One signal since the last moment at which nothing spoke for a clear error."""

    borne: float
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    keys: KeyLedger = field(default_factory=KeyLedger)

    def _alternatives(self) -> list[float]:
        return [min(0.99, factor * self.borne) for factor in (1.5, 3.0, 9.0)]

    def add(self, counts: Mapping[str, tuple[int, int]]) -> None:
        """Count requests and events of each key."""
        for key, (trials, events) in counts.items():
            self.keys.add(key, trials, events)
        trials = sum(each for each, _ in counts.values())
        events = sum(each for _, each in counts.values())
        for index, rate in enumerate(self._alternatives()):
            ratio = events * math.log(rate / self.borne)
            ratio += (trials - events) * math.log((1 - rate) / (1 - self.borne))
            self.sums[index] = max(0.0, self.sums[index] + ratio)
        if not any(self.sums):
            self.keys = KeyLedger()

    @property
    def clear(self) -> bool:
        """Whether it is a clear error, whoever the worst keys are."""
        if max(self.sums) < LOG_RATIO:
            return False
        if list(self.keys.totals) == [""]:
            return True  # each request was drawn by itself
        if self.keys.struck >= FEW_KEYS and self.keys.events >= NEARLY_ALL * self.keys.trials:
            return True  # so little works that it is nobody's client
        return stands_without_worst(self.borne, list(self.keys.counts()), WORST_KEYS)


class PromotionWatch:
    """What the promoted stack has done since somebody began to watch it here.

    Args:
        judgement: the last one before the promotion, if any.

    Attributes:
        requests: how many it had.
    """

    def __init__(self, judgement: Mapping[str, Any] | None) -> None:
        self._errors = {signal: _ErrorWatch(rate) for signal, rate in borne(judgement).items()}
        self._totals = {signal: Counts() for signal in ERRORS}
        self.requests = 0

    def look(self, counts: Mapping[Kind, int]) -> list[str]:
        """Take in what was counted, and return a sentence for every clear error."""
        by_signal: dict[Signal, dict[str, tuple[int, int]]] = {signal: {} for signal in ERRORS}
        for kind, count in counts.items():
            if kind.arm != "candidate" or kind.ending == "waiting":
                continue
            self.requests += count
            for signal, keys in by_signal.items():
                trials, events = keys.get(kind.key, (0, 0))
                keys[kind.key] = (trials + count, events + count * (kind.ending == signal))
        for signal, keys in by_signal.items():
            self._errors[signal].add(keys)
            for trials, events in keys.values():
                self._totals[signal] += Counts(trials, events)
        return [self._sentence(signal) for signal in ERRORS if self._errors[signal].clear]

    def _sentence(self, signal: Signal) -> str:
        watch = self._errors[signal]
        seen = Counts(watch.keys.trials, watch.keys.events)
        return (
            f"{NAMES[signal]}: {seen.rate:.2%} of {seen.trials:,} since it became so, by "
            f"{watch.keys.struck:,} {'key' if watch.keys.struck == 1 else 'keys'}; up to "
            f"{watch.borne:.2%} is borne, by what the stable stack had before"
        )

    def document(self) -> dict[str, Any]:
        """Return the figures, for showing."""
        return {
            "signals": [
                {
                    "signal": signal,
                    "requests": self._totals[signal].trials,
                    "events": self._totals[signal].events,
                    "borne": round(self._errors[signal].borne, 5),
                }
                for signal in ERRORS
            ]
        }
