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
from statistics import NormalDist
from typing import NamedTuple

from rollout_statistics.counts import Block, Counts
from rollout_statistics.key_spread import KeySums

LATENCY_SIGMA = 0.6
"""Times to first token are taken to be log-normal; their logarithm's standard deviation."""

_NORMAL = NormalDist()


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
        forgiven: how many times as slow as the control's p95 the canary may be, where the event is
            a slow request.
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
    forgiven: float = 1.0


class Second(NamedTuple):
    """What was counted in one second.

    Attributes:
        worse: both arms.
        beyond: the same, of the canary's events only those that are beyond what is forgiven.
    """

    worse: Block
    beyond: Block


class Arm:
    """One arm and the totals of its keys. Requests are spread over keys as their activity is.

    Args:
        activities: each key's part of all requests.
        rates: each key's rate of the event.
        forgiven: see `Traffic`.
    """

    def __init__(self, activities: list[float], rates: list[float], forgiven: float) -> None:
        self.activity = sum(activities)
        self._activities = activities
        self._cumulative = list(accumulate(a * r for a, r in zip(activities, rates, strict=True)))
        self.event_rate = self._cumulative[-1] if self._cumulative else 0.0
        self._beyond = [_part_beyond(rate, forgiven) for rate in rates]
        self._forgives = forgiven > 1
        self._squares = sum(activity * activity for activity in activities)
        self._events: dict[int, int] = {}
        self._events_squared = 0
        self._products = 0.0
        self.trials = 0
        self.events = 0

    def draw(
        self, generator: random.Random, per_second: float, factor: float, retries: float
    ) -> tuple[Counts, Counts]:
        """Draw one second of requests, and how many of the events are beyond what is forgiven."""
        events = beyond = 0
        for _ in range(poisson(generator, per_second * self.event_rate * factor)):
            key = bisect(self._cumulative, generator.random() * self.event_rate)
            failures = 1 + (poisson(generator, retries) if retries else 0)
            self._fail(key, failures)
            events += failures
            if not self._forgives or generator.random() < self._beyond[key]:
                beyond += failures
        others = max(0.0, self.activity - self.event_rate * factor)
        trials = events + poisson(generator, per_second * others)
        self.trials += trials
        self.events += events
        return Counts(trials, events), Counts(trials, beyond)

    def _fail(self, key: int, failures: int) -> None:
        before = self._events.get(key, 0)
        self._events[key] = before + failures
        self._events_squared += failures * (2 * before + failures)
        self._products += failures * self._activities[key]

    def sums(self) -> KeySums:
        """Return the sums over the totals of each key, without looking at each."""
        each = self.trials / self.activity
        return KeySums(
            keys=len(self._activities),
            trials=self.trials,
            events=self.events,
            trials_squared=each * each * self._squares,
            events_squared=self._events_squared,
            products=each * self._products,
        )

    def keys(self) -> list[Counts]:
        """Return the totals of each key."""
        each = self.trials / self.activity
        failed = self._events.get
        return [
            Counts(max(events, round(each * activity)), events)
            for key, activity in enumerate(self._activities)
            for events in (failed(key, 0),)
        ]


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
        self.control = Arm(*_columns(arms[False], traffic.rate / mean), 1.0)
        self.canary = Arm(*_columns(arms[True], traffic.canary_rate / mean), traffic.forgiven)

    def _ratio(self) -> float:
        """Draw a key's own rate, with a mean of about 1."""
        traffic = self.traffic
        if traffic.bad_keys and self._generator.random() < traffic.bad_keys:
            return 0.3 / traffic.rate
        if traffic.spread:
            shape = 1 / traffic.spread
            return self._generator.gammavariate(shape, 1 / shape)
        return 1.0

    def seconds(self) -> Iterator[Second]:
        """Yield each second, for ever."""
        generator, traffic = self._generator, self.traffic
        burst_left = 0
        while True:
            if traffic.bursts and not burst_left and generator.random() < 1 / 600:
                burst_left = 20
            factor = 20.0 if burst_left else 1.0
            burst_left = max(0, burst_left - 1)
            control, _ = self.control.draw(generator, traffic.per_second, factor, traffic.retries)
            canary, beyond = self.canary.draw(
                generator, traffic.per_second, factor, traffic.retries
            )
            yield Second(Block(control, canary), Block(control, beyond))


def slower(rate: float, ratio: float) -> float:
    """Return how many requests are slow, of which `rate` were, if all take `ratio` times as long.

    What counts as slow may as well be divided by `ratio`.
    """
    if not 0 < rate < 1:
        return rate
    return 1 - _NORMAL.cdf(_NORMAL.inv_cdf(1 - rate) - math.log(ratio) / LATENCY_SIGMA)


def _part_beyond(rate: float, forgiven: float) -> float:
    return slower(rate, 1 / forgiven) / rate if rate else 0.0


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
