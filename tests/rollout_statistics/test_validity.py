"""What makes a test safe to look at after every block: expectations, and simulation."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout_statistics.counts import Block, Counts
from rollout_statistics.excess import Excess
from rollout_statistics.half_plane import Alternative, HalfPlaneTest
from rollout_statistics.odds_ratio import WORSE, OddsRatioTest, not_worse
from rollout_statistics.simulation.run import poisson

SIZES = st.integers(min_value=1, max_value=12)
COUNTS = SIZES.flatmap(lambda size: st.builds(Counts, st.just(size), st.integers(0, size)))
RATES = st.floats(min_value=0.01, max_value=0.99)


def blocks_of(control: int, canary: int) -> Iterator[Block]:
    for first in range(control + 1):
        for second in range(canary + 1):
            yield Block(Counts(control, first), Counts(canary, second))


def probability(block: Block, control: float, canary: float) -> float:
    return _binomial(block.control, control) * _binomial(block.canary, canary)


def _binomial(counts: Counts, rate: float) -> float:
    ways = math.comb(counts.trials, counts.events)
    return ways * rate**counts.events * (1 - rate) ** (counts.trials - counts.events)


@given(control=SIZES, canary=SIZES, rate=RATES)
def test_the_odds_ratio_test_is_a_martingale_when_both_arms_are_alike(
    control: int, canary: int, rate: float
) -> None:
    expectation = math.fsum(
        probability(block, rate, rate) * math.exp(_log_e(OddsRatioTest(), block))
        for block in blocks_of(control, canary)
    )
    assert expectation == pytest.approx(1.0, rel=1e-9)


@given(control=SIZES, canary=SIZES, rate=RATES, better=st.floats(min_value=0.0, max_value=1.0))
def test_a_better_canary_never_makes_it_grow_in_expectation(
    control: int, canary: int, rate: float, better: float
) -> None:
    expectation = math.fsum(
        probability(block, rate, rate * better) * math.exp(_log_e(OddsRatioTest(), block))
        for block in blocks_of(control, canary)
    )
    assert expectation <= 1.0 + 1e-9


@given(
    control=SIZES,
    canary=SIZES,
    rate=RATES,
    margin=st.floats(min_value=1.0, max_value=4.0),
    more=st.floats(min_value=1.0, max_value=5.0),
)
def test_a_canary_at_the_margin_or_beyond_never_makes_not_worse_grow_in_expectation(
    control: int, canary: int, rate: float, margin: float, more: float
) -> None:
    odds = rate / (1 - rate) * margin * more
    expectation = math.fsum(
        probability(block, rate, odds / (1 + odds))
        * math.exp(_log_e(OddsRatioTest(question=not_worse(margin)), block))
        for block in blocks_of(control, canary)
    )
    assert expectation <= 1.0 + 1e-9


def test_bursts_that_strike_both_do_not_hide_that_the_canary_is_not_worse() -> None:
    """The canary is like the control, so fewer of its requests are beyond the allowed line."""
    generator = random.Random(1)
    test = OddsRatioTest(question=not_worse(1.65))
    for second in range(400):
        rate = 0.5 if second % 20 < 2 else 0.01
        test.add(Block(_draw(generator, 3, rate), _draw(generator, 3, 0.6 * rate)))
    assert test.log_e() > math.log(20)


@given(
    control=SIZES,
    canary=SIZES,
    rate=st.floats(min_value=0.0, max_value=0.8),
    margin=st.floats(min_value=0.0, max_value=0.2),
    inside=st.floats(min_value=0.0, max_value=1.0),
    alternative=st.sampled_from(["worse", "not_worse"]),
    seen=st.tuples(st.integers(0, 50), st.integers(0, 50)),
)
def test_the_half_plane_test_is_safe_everywhere_in_its_null_hypothesis(
    control: int,
    canary: int,
    rate: float,
    margin: float,
    inside: float,
    alternative: Alternative,
    seen: tuple[int, int],
) -> None:
    line = rate + margin
    other = line * inside if alternative == "worse" else line + (1 - line) * inside
    before = Counts(50, seen[0]), Counts(50, seen[1])

    def fresh() -> HalfPlaneTest:
        return HalfPlaneTest(alternative, margin, control=before[0], canary=before[1])

    expectation = math.fsum(
        probability(block, rate, other) * math.exp(_log_e(fresh(), block))
        for block in blocks_of(control, canary)
    )
    assert expectation <= 1.0 + 1e-6


@given(control=SIZES, canary=SIZES, events=st.integers(min_value=0, max_value=24))
def test_more_of_the_events_in_the_canary_is_more_evidence(
    control: int, canary: int, events: int
) -> None:
    values = [
        _log_e(OddsRatioTest(), block)
        for block in blocks_of(control, canary)
        if block.control.events + block.canary.events == events
    ]
    # `blocks_of` counts the control up, so the canary's part of the total goes down.
    assert values == sorted(values, reverse=True)


@given(blocks=st.lists(st.builds(Block, COUNTS, COUNTS), max_size=8))
def test_evidence_implies_an_excess(blocks: list[Block]) -> None:
    test, excess = OddsRatioTest(), Excess()
    for block in blocks:
        test.add(block)
        excess.add(block)
    assert test.log_e() <= max(0.0, excess.events) * math.log(WORSE.alternatives[-1]) + 1e-9
    assert -1 <= excess.rate <= 1


def test_an_hour_in_which_both_are_slow_is_no_excess() -> None:
    """Totals would say 9.8% against 4.7%: the canary got its share when everything was slow."""
    excess = Excess()
    excess.add(Block(control=Counts(990, 20), canary=Counts(10, 0)))
    excess.add(Block(control=Counts(500, 50), canary=Counts(500, 50)))
    assert excess.rate == pytest.approx(-0.2 / (9.9 + 250))


def test_evidence_against_one_direction_is_none_for_the_other() -> None:
    block = Block(control=Counts(900, 9), canary=Counts(100, 20))
    worse, not_worse = HalfPlaneTest("worse", 0.0), HalfPlaneTest("not_worse", 0.0)
    for _ in range(5):
        worse.add(block)
        not_worse.add(block)
    assert worse.log_e() > 20
    assert not_worse.log_e() < 0.01


def test_one_arm_alone_says_nothing() -> None:
    test = OddsRatioTest()
    test.add(Block(control=Counts(), canary=Counts(50, 50)))
    assert test.log_e() == 0


def test_a_crowded_block_neither_overflows_nor_takes_long() -> None:
    test = OddsRatioTest()
    test.add(Block(control=Counts(200_000, 2_000), canary=Counts(100_000, 3_000)))
    assert 500 < test.log_e() < 1_000


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_like_arms_part_at_most_as_often_as_promised(share: float) -> None:
    """At alpha = 0.1, 300 runs of 8000 requests; 45 would be 3 standard deviations too many."""
    crossed = sum(
        _crosses(OddsRatioTest, random.Random(seed), share, alpha=0.1) for seed in range(300)
    )
    assert crossed <= 45


def test_the_control_of_that_count_can_fail() -> None:
    """The same count with a canary that fails four times as often."""
    crossed = sum(
        _crosses(OddsRatioTest, random.Random(seed), 0.1, alpha=0.1, ratio=4.0)
        for seed in range(20)
    )
    assert crossed == 20


def _crosses(
    make: Callable[[], OddsRatioTest],
    generator: random.Random,
    share: float,
    *,
    alpha: float,
    ratio: float = 1.0,
) -> bool:
    test = make()
    for second in range(400):
        rate = 0.2 if second % 100 < 5 else 0.01  # a burst that strikes both
        control = _draw(generator, 20 * (1 - share), rate)
        canary = _draw(generator, 20 * share, min(1.0, rate * ratio))
        test.add(Block(control, canary))
        if test.log_e() >= -math.log(alpha):
            return True
    return False


def _draw(generator: random.Random, mean: float, rate: float) -> Counts:
    events = poisson(generator, mean * rate)
    return Counts(events + poisson(generator, mean * (1 - rate)), events)


def _log_e(test: OddsRatioTest | HalfPlaneTest, block: Block) -> float:
    test.add(block)
    return test.log_e()
