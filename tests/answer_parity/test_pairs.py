"""Sequential tests on pairs: few false alarms however often one looks, and faults are found."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from answer_parity.pairs import DifferenceRates, MeanTest, PairedRates

ALPHA = 0.05
BEYOND_DOUBT = math.log(1 / ALPHA)


def ever_beyond(chance: random.Random, old: float, new: float, pairs: int, what: str) -> int | None:
    """Return after how many pairs one kind of evidence was beyond doubt, if ever."""
    rates = PairedRates(margin=0.03)
    for count in range(1, pairs + 1):
        rates.add(chance.random() < old, chance.random() < new)
        if getattr(rates, what) > BEYOND_DOUBT:
            return count
    return None


@pytest.mark.parametrize("rate", [0.01, 0.2, 0.5])
def test_equal_engines_are_seldom_called_worse(rate: float) -> None:
    chance = random.Random(1)
    alarms = sum(ever_beyond(chance, rate, rate, 400, "log_worse") is not None for _ in range(200))
    assert alarms / 200 <= ALPHA


def test_an_engine_that_is_worse_by_the_margin_is_seldom_called_equivalent() -> None:
    chance = random.Random(2)
    wrong = sum(
        ever_beyond(chance, 0.05, 0.08, 400, "log_equivalent") is not None for _ in range(200)
    )
    assert wrong / 200 <= ALPHA


def test_faults_are_found_and_sound_engines_are_cleared() -> None:
    chance = random.Random(3)
    found = sorted(ever_beyond(chance, 0.01, 0.3, 2000, "log_worse") or 2000 for _ in range(60))
    assert found[30] <= 35
    cleared = sorted(
        ever_beyond(chance, 0.005, 0.005, 3000, "log_equivalent") or 3000 for _ in range(60)
    )
    assert cleared[30] <= 500


def test_differences_that_are_noise_are_no_alarm() -> None:
    chance = random.Random(4)
    alarms = 0
    for _ in range(150):
        rates = DifferenceRates(margin=0.05)
        for _ in range(200):
            rates.add([chance.random() < 0.6], [chance.random() < 0.6])
            if rates.log_different > BEYOND_DOUBT:
                alarms += 1
                break
    assert alarms / 150 <= ALPHA


def test_more_than_noise_is_found_though_few_comparisons_are_of_the_old_engine() -> None:
    rates = DifferenceRates(margin=0.05)
    rates.add(crossed=[True] * 100)
    assert (rates.matched, rates.log_different) == (0, 0.0)
    rates.add(own=[False] * 20)
    assert rates.matched == 20
    assert rates.log_different > BEYOND_DOUBT


def test_a_difference_out_of_bounds_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1\.5 is not between"):
        MeanTest(0.0).add(1.5)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_the_order_of_pairs_does_not_matter(pairs: list[tuple[bool, bool]]) -> None:
    forward, backward = PairedRates(0.02), PairedRates(0.02)
    for old, new in pairs:
        forward.add(old, new)
    for old, new in reversed(pairs):
        backward.add(old, new)
    assert forward.log_worse == pytest.approx(backward.log_worse)
    assert forward.log_equivalent == pytest.approx(backward.log_equivalent)
    assert forward.pairs == len(pairs)
