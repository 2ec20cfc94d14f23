"""Faults that begin late, moments that differ, and spells."""

from __future__ import annotations

import math
import random

import pytest

from rollout_statistics.change_detector import (
    EVEN_RESTARTS,
    EVEN_WEIGHT,
    LATE_WEIGHT,
    START_WEIGHT,
    STEP_WEIGHT,
    ChangeDetector,
    restart_weight,
)
from rollout_statistics.counts import Block, Counts
from rollout_statistics.simulation.run import poisson
from rollout_statistics.spells import Moments, stands_without_spells
from rollout_statistics.window_spread import WindowSpread


def draw(generator: random.Random, mean: float, rate: float) -> Counts:
    events = poisson(generator, mean * rate)
    return Counts(events + poisson(generator, mean * (1 - rate)), events)


def test_the_weights_of_all_beginnings_never_exceed_one() -> None:
    restarts = math.fsum(restart_weight(number) for number in range(1, 100_000))
    assert restarts <= EVEN_WEIGHT + LATE_WEIGHT
    assert restart_weight(EVEN_RESTARTS + 1) <= restart_weight(EVEN_RESTARTS)
    assert START_WEIGHT + STEP_WEIGHT + EVEN_WEIGHT + LATE_WEIGHT <= 1


def requests_to(generator: random.Random, good: int, log_threshold: float) -> int:
    """Return the candidate's faulty requests until the threshold, after so many good seconds."""
    detector = ChangeDetector()
    for _ in range(good):
        detector.add(Block(draw(generator, 18, 0.01), draw(generator, 2, 0.01)))
    requests = 0
    while detector.log_e() < log_threshold:
        candidate = draw(generator, 2, 0.05)
        requests += candidate.trials
        detector.add(Block(draw(generator, 18, 0.01), candidate))
    return requests


def test_a_fault_that_begins_late_takes_twice_the_requests_and_not_ten_times() -> None:
    """After 10,000 good requests of the candidate; the mean of 20 runs each."""
    early = sum(requests_to(random.Random(seed), 0, 6.0) for seed in range(20))
    late = sum(requests_to(random.Random(seed), 5_000, 6.0) for seed in range(20))
    assert late <= 2.2 * early


def test_like_arms_part_at_most_as_often_as_promised_however_long_it_goes_on() -> None:
    """At alpha = 0.1, 150 runs of 40,000 requests; 26 would be 3 standard deviations too many."""
    crossed = 0
    for seed in range(150):
        generator, detector = random.Random(seed), ChangeDetector()
        for _ in range(400):
            detector.add(Block(draw(generator, 50, 0.02), draw(generator, 50, 0.02)))
            if detector.log_e() >= -math.log(0.1):
                crossed += 1
                break
    assert crossed <= 26


def test_it_goes_on_from_its_state() -> None:
    detector = ChangeDetector()
    block = Block(Counts(90, 1), Counts(60, 9))
    detector.add(block)
    detector.begin_step()
    again = ChangeDetector(detector.state)
    for each in (detector, again):
        each.add(block)
    assert again.state == detector.state
    with pytest.raises(ValueError, match="figures"):
        ChangeDetector([0.0])


def spread_of(candidate_spells: bool, *, burst: bool = False, fault_at: int = 10_000) -> float:
    generator, spread = random.Random(1), WindowSpread()
    for second in range(600):
        both = 0.5 if burst and second % 60 < 5 else 0.05
        spells = 0.6 if candidate_spells and second % 120 < 4 else both
        rate = 0.15 if second >= fault_at else spells
        spread.add(second, Block(draw(generator, 20, both), draw(generator, 20, rate)))
    return spread.dispersion


def test_moments_that_strike_one_arm_are_spread_and_those_of_both_are_not() -> None:
    assert spread_of(False) < 1.5
    assert spread_of(False, burst=True) < 1.7
    assert spread_of(True) > 3


def test_a_fault_that_begins_does_not_count_as_spread_against_itself() -> None:
    assert spread_of(False, fault_at=300) < 1.7
    assert spread_of(False, fault_at=0) < 1.5


def moments(slow: list[bool]) -> Moments:
    """Return a second for each: 10 requests in each arm, the candidate's slow or not."""
    found = Moments()
    for second, bad in enumerate(slow):
        found.add(float(second), Block(Counts(10, second % 20 == 0), Counts(10, 8 if bad else 0)))
    return found


@pytest.mark.parametrize("seconds", [3, 10])
def test_a_verdict_does_not_stand_on_one_spell(seconds: int) -> None:
    slow = [False] * 60 + [True] * seconds + [False] * 3
    assert not stands_without_spells(moments(slow).newest_first(), 60.0, 1.0)


def test_a_verdict_does_not_stand_on_a_few_spells_of_an_hour() -> None:
    slow = [second % 120 < 3 for second in range(600)]
    assert not stands_without_spells(moments(slow).newest_first(), 600.0, 1.0)


@pytest.mark.parametrize("good", [0, 60, 3600])
def test_a_verdict_stands_if_it_goes_on(good: int) -> None:
    slow = [False] * good + [True] * 30
    assert stands_without_spells(moments(slow).newest_first(), float(good + 30), 1.0)


def test_old_moments_are_kept_coarsely() -> None:
    day = moments([False] * 86_400)
    assert len(day.newest_first()) < 400
    total = sum(moment.block.canary.trials for moment in day.newest_first())
    assert total == 864_000
