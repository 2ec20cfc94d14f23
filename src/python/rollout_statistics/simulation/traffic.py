"""Requests of many keys to two stacks, second by second.

Only what the tests see is drawn: how many requests each arm had, and which keys' requests had the
event. An event is a failed request, or one slower than the control's p95.
"""

from __future__ import annotations

import math
import random
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from rollout_statistics.counts import Block, Counts


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a rollout meets.

    Attributes:
        rate: of the event, on the old stack.
        canary_rate: on the new one.
        share: of the keys that the canary gets.
        keys: how many there are; how much each of them asks follows Zipf's law with exponent 0.8.
        spread: the variance of the keys' own rates, in units of the squared mean.
        bad_keys: the part of the keys whose requests have the event three times in ten.
        retries: how many times, in the mean, a failed request is sent again and fails again.
        bursts: whether both stacks fail 20 times as often for 20 s about every ten minutes.
        per_second: requests per second to both arms together.
    """

    rate: float
    canary_rate: float
    share: float
    keys: int = 1000
    spread: float = 0.0
    bad_keys: float = 0.0
    retries: float = 0.0
    bursts: bool = False
    per_second: float = 20.0


class KeyTotals:
    """The totals of one arm's keys. Requests are spread over keys as their activity is."""

    def __init__(self, activities: list[float], rates: list[float]) -> None:
        self.activity = sum(activities)
        self._activities = activities
        self._cumulative = list(accumulate(a * r for a, r in zip(activities, rates, strict=True)))
        self.event_rate = self._cumulative[-1] if self._cumulative else 0.0
        self._events: dict[int, int] = {}
        self.trials = 0

    def draw(
        self, generator: random.Random, per_second: float, factor: float, retries: float
    ) -> Counts:
        """Draw one second of requests."""
        events = 0
        for _ in range(poisson(generator, per_second * self.event_rate * factor)):
            key = bisect(self._cumulative, generator.random() * self.event_rate)
            failures = 1 + (poisson(generator, retries) if retries else 0)
            self._events[key] = self._events.get(key, 0) + failures
            events += failures
        others = max(0.0, self.activity - self.event_rate * factor)
        counts = Counts(events + poisson(generator, per_second * others), events)
        self.trials += counts.trials
        return counts

    def keys(self) -> list[Counts]:
        """Return the totals of each key."""
        totals = []
        for key, activity in enumerate(self._activities):
            events = self._events.get(key, 0)
            expected = round(self.trials * activity / self.activity)
            totals.append(Counts(max(events, expected), events))
        return totals


class Run:
    """One rollout's traffic: draws who is in the canary, then second after second."""

    def __init__(self, traffic: Traffic, generator: random.Random) -> None:
        self.traffic = traffic
        self._generator = generator
        weights = [1 / (rank + 1) ** 0.8 for rank in range(traffic.keys)]
        whole = sum(weights)
        arms: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
        while not arms[True]:
            arms = {False: [], True: []}
            for weight in weights:
                arms[generator.random() < traffic.share].append((weight / whole, self._ratio()))
        mean = sum(a * r for arm in arms.values() for a, r in arm)
        self.control = KeyTotals(*_columns(arms[False], traffic.rate / mean))
        self.canary = KeyTotals(*_columns(arms[True], traffic.canary_rate / mean))

    def _ratio(self) -> float:
        """Draw a key's own rate, with a mean of about 1."""
        traffic = self.traffic
        if traffic.bad_keys and self._generator.random() < traffic.bad_keys:
            return 0.3 / traffic.rate
        if traffic.spread:
            shape = 1 / traffic.spread
            return self._generator.gammavariate(shape, 1 / shape)
        return 1.0

    def blocks(self) -> Iterator[Block]:
        """Yield each second, for ever."""
        generator, traffic = self._generator, self.traffic
        burst_left = 0
        while True:
            if traffic.bursts and not burst_left and generator.random() < 1 / 600:
                burst_left = 20
            factor = 20.0 if burst_left else 1.0
            burst_left = max(0, burst_left - 1)
            yield Block(
                self.control.draw(generator, traffic.per_second, factor, traffic.retries),
                self.canary.draw(generator, traffic.per_second, factor, traffic.retries),
            )


def _columns(arm: list[tuple[float, float]], rate: float) -> tuple[list[float], list[float]]:
    return [activity for activity, _ in arm], [min(0.9, ratio * rate) for _, ratio in arm]


def poisson(generator: random.Random, mean: float) -> int:
    """Draw from Poisson's distribution, by Knuth's method; large means in parts."""
    count = 0
    while mean > 0:
        part = min(mean, 200.0)
        mean -= part
        limit, product = math.exp(-part), generator.random()
        while product > limit:
            count += 1
            product *= generator.random()
    return count
