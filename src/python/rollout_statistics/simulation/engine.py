"""One simulated engine: how long a request takes on it, given the moment."""

from __future__ import annotations

import math
from random import Random

from rollout_statistics.running_quantile import GROWTH
from rollout_statistics.simulation.traffic import Spells, Traffic

RESPONSE_SECONDS = 0.4
PAUSE_SECONDS = 0.05
LONGEST_SECONDS = 0.15
"""Medians: of the first token or whole response, of a stream's p95 pause, of its longest."""

PAUSE_SIGMA = 0.3
LONGEST_SIGMA = 0.5
COLD = 4.0
"""How many times as slow a spell, a cold engine and a cold cache are."""

_LOG_GROWTH = math.log(GROWTH)


class Engine:
    """An engine with spells of its own.

    Args:
        slower: times over the other engine's.
    """

    def __init__(self, traffic: Traffic, generator: Random) -> None:
        self._traffic = traffic
        self._generator = generator
        self._spell_ends = -1.0
        spells = traffic.spells
        self._next_spell = math.inf
        if spells is not None and spells.every:
            self._next_spell = generator.expovariate(1 / spells.every)

    def slowness(self, at: float) -> tuple[float, float]:
        """Return how many times as long, and how many seconds longer, a request takes now."""
        spells = self._traffic.spells
        if spells is None:
            return 1.0, 0.0
        if spells.blocking:
            waits = max(0.0, self._spell_ends - at)
            if self._generator.random() < spells.blocking:
                self._spell_ends = at + spells.seconds
            return 1.0, waits
        return (COLD if self._in_spell(spells, at) else 1.0), 0.0

    def _in_spell(self, spells: Spells, at: float) -> bool:
        while at >= self._next_spell:
            self._spell_ends = self._next_spell + spells.seconds
            self._next_spell += self._generator.expovariate(1 / spells.every)
        return at < self._spell_ends

    def bucket(self, median: float, sigma: float, factor: float, more: float) -> int:
        """Draw a duration, and return its bucket."""
        exponent = math.log(median * factor) + self._generator.gauss(0.0, sigma)
        if more:
            exponent = math.log(math.exp(exponent) + more)
        return math.ceil(exponent / _LOG_GROWTH)
