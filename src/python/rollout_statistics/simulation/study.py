"""Runs a scenario many times, by the product's whole rule and by others."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import NamedTuple

from rollout_statistics.policy import Policy
from rollout_statistics.signals import Signal
from rollout_statistics.simulation.rules import Product, others
from rollout_statistics.simulation.run import Run
from rollout_statistics.simulation.scenarios import Scenario

BAKE_SECONDS = 600.0
"""Before a step may advance, as in the plan's own defaults."""

OTHERS_REQUESTS = 60_000
"""Of both arms, in which other rules have to find a fault."""


class End(NamedTuple):
    """How one run ended.

    Attributes:
        requests: of the candidate until it was rolled back, from the fault's beginning on, and from
            where durations count if it is one of these; None if it was not.
        worse: the signals that did it.
        advanced_at: seconds after which the step would have advanced; None if it would not have.
        others: the names of other rules that rolled back, with the same requests.
    """

    requests: int | None
    worse: tuple[Signal, ...]
    advanced_at: float | None
    others: dict[str, int]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one scenario ended, over all runs."""

    ends: tuple[End, ...]

    @property
    def rolled_back(self) -> int:
        """Return how many runs were rolled back."""
        return sum(end.requests is not None for end in self.ends)

    @property
    def signals(self) -> Counter[Signal]:
        """Return which signals rolled back, and how often."""
        return Counter(signal for end in self.ends for signal in end.worse)

    def rolled_back_by(self, rule: str) -> int:
        """Return how many runs another rule rolled back."""
        return sum(rule in end.others for end in self.ends)

    def requests(self, part: float, rule: str | None = None) -> int | None:
        """Return by how many requests of the candidate this part of the runs was rolled back."""
        found = [end.requests if rule is None else end.others.get(rule) for end in self.ends]
        ended = sorted(each for each in found if each is not None)
        index = math.ceil(part * len(self.ends)) - 1
        return ended[index] if index < len(ended) else None

    def advanced_after(self, part: float) -> float | None:
        """Return the seconds after which this part of the runs would have advanced."""
        ended = sorted(end.advanced_at for end in self.ends if end.advanced_at is not None)
        index = math.ceil(part * len(self.ends)) - 1
        return ended[index] if index < len(ended) else None


def run_scenario(
    scenario: Scenario,
    seeds: range,
    executor: Executor,
    *,
    compare: bool = False,
    policy: Policy | None = None,
) -> Outcome:
    """Run a scenario once with each seed.

    Args:
        compare: whether other rules look, too.
        policy: the product's, unless it is another one.
    """
    jobs = [(scenario, seed, compare, policy or Policy()) for seed in seeds]
    return Outcome(tuple(executor.map(_run, jobs, chunksize=max(1, len(seeds) // 40))))


def _run(job: tuple[Scenario, int, bool, Policy]) -> End:
    """Run once, to the rollback by every rule or to the end."""
    scenario, seed, compare, policy = job
    traffic = scenario.traffic
    run = Run(traffic, random.Random(seed))
    product = Product(run, policy)
    watching = others(traffic) if compare else {}
    ended: dict[str, int] = {}
    requests: int | None = None
    advanced_at: float | None = None
    total = 0
    for at, counts in run.looks():
        total += sum(counts.values())
        if requests is None:
            follows = product.decides(at, counts)
            if follows == "rollback":
                requests = run.candidate_requests
            elif follows == "go on" and advanced_at is None and at >= BAKE_SECONDS:
                advanced_at = at
        for name in list(watching):
            if watching[name].decides(at, counts) == "rollback":
                ended[name] = max(0, run.candidate_requests - traffic.late)
                del watching[name]
        if total >= min(scenario.requests, OTHERS_REQUESTS):
            watching = {}
        if (requests is not None and not watching) or total >= scenario.requests:
            break
    worse = product.worse if requests is not None else ()
    return End(_counted(scenario, product, requests), worse, advanced_at, ended)


def _counted(scenario: Scenario, product: Product, requests: int | None) -> int | None:
    if requests is None:
        return None
    begun = scenario.traffic.late
    if scenario.duration:
        begun = max(begun, product.counted_from or 0)
    return max(0, requests - begun)


def exact_interval(events: int, runs: int) -> tuple[float, float]:
    """Return the 95% interval of Clopper and Pearson for a rate, by bisection."""
    low = 0.0 if not events else _root(lambda p: 1 - _below(events - 1, runs, p), 0.025)
    high = 1.0 if events == runs else 1 - _root(lambda p: _below(events, runs, 1 - p), 0.025)
    return low, high


def _below(events: int, runs: int, rate: float) -> float:
    return math.fsum(
        math.comb(runs, k) * rate**k * (1 - rate) ** (runs - k) for k in range(events + 1)
    )


def _root(growing: Callable[[float], float], value: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if growing(middle) < value else (low, middle)
    return low
