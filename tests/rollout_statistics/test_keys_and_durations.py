"""The guard against correlated keys, intervals, quantiles, and what counts may be."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout_statistics.counts import Counts
from rollout_statistics.fixed_threshold import FixedThreshold
from rollout_statistics.key_ledger import KeyLedger
from rollout_statistics.key_spread import (
    KeySums,
    dispersion,
    lucky_keys,
    rate_dispersion,
    stands_without_worst,
)
from rollout_statistics.rate_interval import rate_interval
from rollout_statistics.running_quantile import (
    GROWTH,
    RunningQuantile,
    bucket_of,
    buckets_in,
    upper_edge,
)

COUNTS = st.integers(0, 500).flatmap(
    lambda trials: st.builds(Counts, st.just(trials), st.integers(0, trials))
)


def spread(control: list[Counts], canary: list[Counts]) -> float:
    return dispersion(KeySums.of(control), KeySums.of(canary))


def test_independent_requests_have_no_dispersion_worth_speaking_of() -> None:
    generator = random.Random(1)
    keys = [Counts(200, sum(generator.random() < 0.02 for _ in range(200))) for _ in range(400)]
    assert spread(keys[:350], keys[350:]) < 1.4


def test_one_key_that_always_fails_takes_the_weight_from_the_evidence() -> None:
    control = [Counts(100, 1)] * 90
    canary = [Counts(100, 1)] * 9 + [Counts(100, 60)]
    assert spread(control, canary) > 20


def test_a_canary_of_one_key_borrows_the_controls_correlation() -> None:
    unlike = [Counts(100, 0)] * 45 + [Counts(100, 20)] * 45
    assert spread(unlike, [Counts(100, 20)]) > 5


@given(control=st.lists(COUNTS, max_size=8), canary=st.lists(COUNTS, max_size=8))
def test_dispersion_never_adds_weight(control: list[Counts], canary: list[Counts]) -> None:
    assert spread(control, canary) >= 1


@given(keys=st.lists(COUNTS, min_size=2, max_size=8))
def test_sums_say_what_the_keys_residuals_say(keys: list[Counts]) -> None:
    sums = KeySums.of(keys)
    residuals = math.fsum((key.events - key.trials * sums.rate) ** 2 for key in keys)
    from_sums = sums.events_squared - 2 * sums.rate * sums.products
    from_sums += sums.rate**2 * sums.trials_squared
    assert from_sums == pytest.approx(residuals, abs=1e-6)


def test_the_ledgers_running_sums_are_those_of_its_keys() -> None:
    generator, ledger = random.Random(3), KeyLedger()
    for _ in range(600):
        events = generator.randrange(3)
        ledger.add(f"k{generator.randrange(30)}", events + generator.randrange(1, 9), events)
    assert ledger.sums == KeySums.of(ledger.counts())
    ranked = sorted(ledger.totals, key=lambda key: (-ledger.totals[key][1], key))
    assert ledger.worst == ranked[:3]
    assert ledger.struck == sum(events > 0 for _, events in ledger.totals.values())


@pytest.mark.parametrize(("share", "keys"), [(0.001, 0), (0.01, 1), (0.1, 2), (0.5, 7)])
def test_luck_puts_more_bad_keys_into_a_larger_canary(share: float, keys: int) -> None:
    assert lucky_keys(share, log_alpha=math.log(0.005)) == keys
    assert share ** (keys + 1) <= 0.005 < (share**keys if keys else 1)


def test_a_verdict_that_rests_on_one_key_does_not_stand() -> None:
    one = [Counts(100, 1)] * 9 + [Counts(100, 60)]
    many = [Counts(100, 6)] * 10
    assert not stands_without_worst(0.01, one, 1)
    assert stands_without_worst(0.01, many, 2)
    assert not stands_without_worst(0.01, many, len(many))


@given(counts=COUNTS)
def test_the_interval_holds_the_rate_seen(counts: Counts) -> None:
    interval = rate_interval(counts)
    assert 0 <= interval.low <= counts.rate <= interval.high <= 1


@given(counts=COUNTS)
def test_ten_times_the_data_narrow_the_interval(counts: Counts) -> None:
    few = rate_interval(counts)
    many = rate_interval(Counts(10 * counts.trials, 10 * counts.events))
    assert many.high - many.low <= few.high - few.low


@given(counts=COUNTS)
def test_the_interval_is_the_same_seen_from_the_other_side(counts: Counts) -> None:
    interval = rate_interval(counts)
    mirrored = rate_interval(Counts(counts.trials, counts.trials - counts.events))
    assert interval.low == pytest.approx(1 - mirrored.high, abs=1e-9)


def test_the_interval_holds_the_truth_at_all_times() -> None:
    """300 runs at alpha = 0.1: 45 misses would be 3 standard deviations too many."""
    misses = 0
    for seed in range(300):
        generator = random.Random(seed)
        counts = Counts()
        for _ in range(60):
            counts += Counts(10, sum(generator.random() < 0.1 for _ in range(10)))
            interval = rate_interval(counts, alpha=0.1)
            if not interval.low <= 0.1 <= interval.high:
                misses += 1
                break
    assert misses <= 45


@pytest.mark.parametrize("keys", [100, 1000])
def test_the_interval_holds_the_truth_at_all_times_also_if_keys_differ(keys: int) -> None:
    """Keys' own rates vary (variance 2): 120 runs at 5%; 13 would be 3 standard deviations more."""
    misses = 0
    for seed in range(120):
        generator = random.Random(seed)
        ledger = KeyLedger()
        rates = [min(0.9, generator.gammavariate(0.5, 0.1)) for _ in range(keys)]
        for _ in range(40):
            for _ in range(100):
                key = generator.randrange(keys)
                ledger.add(str(key), 1, generator.random() < rates[key])
            counts = Counts(ledger.trials, ledger.events)
            interval = rate_interval(counts, dispersion=rate_dispersion(ledger.sums))
            if not interval.low <= 0.05 <= interval.high:
                misses += 1
                break
    assert misses <= 13


@given(durations=st.lists(st.floats(min_value=1e-4, max_value=500), min_size=1, max_size=80))
def test_a_quantile_is_right_to_the_width_of_a_bucket(durations: list[float]) -> None:
    quantile = RunningQuantile()
    for seconds in durations:
        quantile.add(bucket_of(seconds))
    bucket = quantile.bucket_at(0.95)
    assert bucket is not None
    exact = sorted(durations)[max(0, -(-95 * len(durations) // 100) - 1)]
    assert exact <= upper_edge(bucket) * (1 + 1e-9)
    assert upper_edge(bucket) <= exact * GROWTH * (1 + 1e-9)


@pytest.mark.parametrize("ratio", [1.0, 1.25, 2.0, 10.0])
def test_a_ratio_is_a_number_of_buckets(ratio: float) -> None:
    assert GROWTH ** buckets_in(ratio) == pytest.approx(ratio, rel=0.01)


def test_no_durations_have_no_quantile() -> None:
    assert RunningQuantile().bucket_at(0.95) is None


def test_the_fixed_threshold_forgives_as_often_as_it_was_told() -> None:
    rule = FixedThreshold(0.02, 1)
    assert not rule.check(Counts(10, 1))
    assert not rule.check(Counts(100, 1))
    assert not rule.check(Counts())
    assert rule.check(Counts(10, 1))


def test_counts_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="3 events among 2 requests"):
        Counts(2, 3)
