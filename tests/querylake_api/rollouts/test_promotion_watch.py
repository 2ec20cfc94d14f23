"""What is a clear error after a promotion, and what is not. No clock, no sockets."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from querylake_api.rollouts.judging.watch import PromotionWatch, borne
from rollout_statistics.outcomes import Ending, Kind

KEYS = [f"key{number}" for number in range(20)]


def judged(rate: float) -> dict[str, Any]:
    """Return a last judgement in which the stable stack had failures."""
    stable = {"requests": 10_000, "high": rate}
    return {"signals": [{"signal": "failed", "stable": stable}]}


def seconds_until_clear(
    watch: PromotionWatch,
    rate: float,
    *,
    ending: Ending = "failed",
    keys: list[str] = KEYS,
    seconds: int = 3600,
    seed: int = 0,
) -> int | None:
    """Return when a fault was a clear error at 20 requests a second; None if it never was."""
    dice = random.Random(seed)
    for second in range(seconds):
        counts: Counter[Kind] = Counter()
        for _ in range(20):
            ill = dice.random() < rate
            counts[Kind("candidate", "chat", dice.choice(keys), ending if ill else "answered")] += 1
        if watch.look(counts):
            return second
    return None


@pytest.mark.parametrize("ending", ["failed", "rejected", "refused", "abandoned"])
def test_far_more_errors_than_before_are_found_within_seconds(ending: Ending) -> None:
    watch = PromotionWatch(judged(0.01))
    assert seconds_until_clear(watch, 0.005, ending=ending, seconds=600) is None
    found = seconds_until_clear(watch, 0.5, ending=ending)
    assert found is not None
    assert found < 10, "the good time before does not outweigh it"


@pytest.mark.parametrize("seed", range(10))
def test_what_the_stable_stack_had_is_no_clear_error_in_an_hour(seed: int) -> None:
    # Twice as much as the upper end of its interval: an hour is not like another.
    assert seconds_until_clear(PromotionWatch(judged(0.04)), 0.08, seed=seed) is None


@pytest.mark.parametrize("seed", range(5))
def test_a_little_below_the_bar_an_hour_passes(seed: int) -> None:
    assert seconds_until_clear(PromotionWatch(None), 0.045, seed=seed) is None


def test_one_broken_client_is_no_broken_stack() -> None:
    watch = PromotionWatch(None)
    for _ in range(600):
        counts = Counter({Kind("candidate", "chat", key, "answered"): 1 for key in KEYS})
        counts[Kind("candidate", "chat", "broken", "rejected")] = 20
        assert watch.look(counts) == []


def test_of_two_keys_nearly_everything_must_fail() -> None:
    two = KEYS[:2]
    assert seconds_until_clear(PromotionWatch(None), 0.5, keys=two, seconds=300) is None
    assert seconds_until_clear(PromotionWatch(None), 0.98, keys=two, seconds=300) is not None


def test_requests_that_are_drawn_each_by_itself_need_no_keys() -> None:
    assert seconds_until_clear(PromotionWatch(None), 0.5, keys=[""], seconds=60) is not None


def test_the_bar_follows_the_stable_stack() -> None:
    assert borne(None)["failed"] == pytest.approx(0.05)
    assert borne(judged(0.01))["failed"] == pytest.approx(0.06)
    assert borne(judged(0.10))["failed"] == pytest.approx(0.30)
    assert borne(judged(0.10))["rejected"] == pytest.approx(0.05)
    assert borne(judged(0.50))["failed"] == pytest.approx(0.90)


def test_the_sentence_names_rate_keys_and_bar() -> None:
    watch = PromotionWatch(judged(0.0))
    said: list[str] = []
    while not said:
        counts: Counter[Kind] = Counter()
        for key in KEYS:
            counts[Kind("candidate", "chat", key, "failed")] = 1
            counts[Kind("stable", "chat", key, "failed")] = 50
        said = watch.look(counts)
    assert said == [
        "failed requests: 100.00% of 20 since it became so, by 20 keys; up to 5.00% is borne, by "
        "what the stable stack had before"
    ]
