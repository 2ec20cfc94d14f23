"""What is counted of two arms, and what it says of each signal."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import pytest

from rollout_statistics.decision import course
from rollout_statistics.evidence import FIRST_REQUESTS, Evidence
from rollout_statistics.open_block import MAX_SECONDS
from rollout_statistics.outcomes import WAITING_MARKS, Arm, Ending, Kind
from rollout_statistics.policy import BUDGET, Policy
from rollout_statistics.running_quantile import bucket_of
from rollout_statistics.signals import SIGNALS, Signal
from rollout_statistics.verdict import SignalVerdict, judge, words

WARM = Policy(warmup_seconds=0)


def kinds(
    arm: Arm,
    count: int,
    ending: Ending = "answered",
    *,
    response: int | None = None,
    keys: int = 20,
    pause: int | None = None,
    longest: int | None = None,
    odd: bool = False,
    finish: Literal["", "stop", "tool"] = "",
    attempt_failed: bool = False,
) -> Counter[Kind]:
    made: Counter[Kind] = Counter()
    for number in range(count):
        key = f"{arm}_{number % keys}" if keys else ""
        facts = (response, pause, longest, odd, finish, attempt_failed)
        made[Kind(arm, "chat", key, ending, *facts)] += 1
    return made


def folded(*looks: Counter[Kind], policy: Policy = WARM, every: float = 1.0) -> Evidence:
    evidence = Evidence(policy)
    for number, counts in enumerate(looks):
        evidence.fold(counts, number * every)
    return evidence


def verdict(
    evidence: Evidence, signal: Signal, share: float = 0.1, at: float = 60
) -> SignalVerdict:
    return judge(evidence, share, at)[SIGNALS.index(signal)]


LIKE = kinds("stable", 90) + kinds("candidate", 10)


@pytest.mark.parametrize("ending", ["failed", "rejected", "refused", "abandoned"])
def test_each_way_to_end_badly_is_a_signal_of_its_own(ending: Ending) -> None:
    bad = LIKE + kinds("candidate", 6, ending)
    said = words(folded(*[bad] * 12), 0.1, 12)
    assert {signal for signal, word in said.items() if word == "worse"} == {ending}
    assert course(said.values()) == "rollback"


def test_like_arms_go_on_and_few_requests_hold() -> None:
    assert course(words(folded(*[LIKE] * 80), 0.1, 80).values()) == "go on"
    assert course(words(folded(*[LIKE] * 2), 0.1, 2).values()) == "hold"
    assert course(words(folded(), 0.1, 2).values()) == "hold"


def test_worse_comes_before_not_worse() -> None:
    """20,000 good requests, then every fifth fails: it is still not worse by a point, and goes."""
    evidence = folded(*[kinds("stable", 200) + kinds("candidate", 200)] * 100)
    found = None
    for look in range(100, 200):
        bad = kinds("candidate", 40, "failed") + kinds("candidate", 160)
        evidence.fold(kinds("stable", 200) + bad, look)
        if words(evidence, 0.5, look)["failed"] == "worse":
            found = look
            break
    assert found is not None
    assert evidence.signals["failed"].canary.rate < 0.01
    assert found <= 103


def test_an_attempt_that_another_replica_saved_is_a_failure_of_its_engine() -> None:
    saved = kinds("candidate", 6, attempt_failed=True)
    assert words(folded(*[LIKE + saved] * 12), 0.1, 12)["failed"] == "worse"


def test_empty_output_and_missing_tool_calls_are_found() -> None:
    stable = kinds("stable", 60, finish="stop") + kinds("stable", 30, finish="tool")
    odd = stable + kinds("candidate", 6, odd=True) + kinds("candidate", 10)
    assert words(folded(*[odd] * 12), 0.1, 12)["odd_output"] == "worse"
    stopped = stable + kinds("candidate", 15, finish="stop")
    assert words(folded(*[stopped] * 12), 0.1, 12)["no_tool_call"] == "worse"


def test_without_any_tool_call_their_absence_is_no_signal() -> None:
    plain = kinds("stable", 90, finish="stop") + kinds("candidate", 10, finish="stop")
    assert words(folded(*[plain] * 80), 0.1, 80)["no_tool_call"] == "not measured"


def slow_looks(looks: int, slower: int, keys: int = 20) -> list[Counter[Kind]]:
    """Both arms alike but for the factor by which the candidate is slower."""
    once: Counter[Kind] = Counter()
    for bucket in range(20):
        once += kinds("stable", 20, response=bucket, keys=keys)
        once += kinds("candidate", 20, response=bucket + slower, keys=keys)
    return [once] * looks


def test_whole_responses_and_first_tokens_are_found_slow_and_small_differences_forgiven() -> None:
    assert words(folded(*slow_looks(40, 35)), 0.5, 40)["slow_response"] == "worse"
    forgiven = verdict(folded(*slow_looks(40, 8)), "slow_response", 0.5)
    assert (forgiven.word, forgiven.obstacle) == ("not worse", "forgiven")


def test_a_spell_is_not_slowness_however_slow_it_is() -> None:
    evidence = folded(*slow_looks(60, 0))
    for look in range(60, 70):
        evidence.fold(slow_looks(1, 35)[0], look)
        assert words(evidence, 0.5, look)["slow_response"] != "worse"
    for look in range(70, 100):
        evidence.fold(slow_looks(1, 0)[0], look)
        assert words(evidence, 0.5, look)["slow_response"] != "worse"


def test_what_stays_slow_is_no_spell() -> None:
    evidence = folded(*slow_looks(60, 0))
    found = None
    for look in range(60, 120):
        evidence.fold(slow_looks(1, 35)[0], look)
        if words(evidence, 0.5, look)["slow_response"] == "worse":
            found = look
            break
    assert found is not None
    assert found <= 85


def test_the_warm_up_does_not_count_and_what_stays_slow_after_it_does() -> None:
    evidence = Evidence(Policy(warmup_seconds=30))
    for look in range(30):
        evidence.fold(slow_looks(1, 35)[0], look)
    waits = verdict(evidence, "slow_response", 0.5, 29)
    assert (waits.word, waits.obstacle) == ("inconclusive", "warm-up")
    for look in range(30, 90):
        evidence.fold(slow_looks(1, 35)[0], look)
    assert words(evidence, 0.5, 90)["slow_response"] == "worse"


def test_the_first_requests_of_a_key_have_no_duration() -> None:
    look = kinds("stable", 20, response=5) + kinds("candidate", 20, response=90)
    evidence = folded(*[look] * FIRST_REQUESTS)
    assert evidence.signals["slow_response"].canary.trials == 0
    assert evidence.signals["failed"].canary.trials == 20 * FIRST_REQUESTS
    assert evidence.lines == {}


def test_keys_on_a_list_are_no_evidence() -> None:
    evidence = Evidence(WARM, listed={"candidate_0"})
    for look in range(40):
        evidence.fold(LIKE + kinds("candidate", 10, "failed", keys=1), look)
    assert words(evidence, 0.1, 40)["failed"] != "worse"
    assert evidence.listed_requests == 440


def test_who_hangs_counts_once_at_the_first_mark_beyond_the_line() -> None:
    normal = kinds("stable", 50, response=bucket_of(1.0), keys=0)
    normal += kinds("candidate", 50, response=bucket_of(1.0), keys=0)
    evidence = folded(*[normal] * 3)
    marks = [bucket_of(seconds) for seconds in WAITING_MARKS[:3]]
    before = evidence.signals["slow_response"].canary
    for mark in marks:
        evidence.fold(normal + kinds("candidate", 1, "waiting", response=mark, keys=0), 4)
    evidence.fold(normal + kinds("candidate", 1, "abandoned", response=bucket_of(40), keys=0), 5)
    after = evidence.signals["slow_response"].canary
    assert after.events - before.events == 1
    assert after.trials - before.trials == 4 * 50 + 1
    assert evidence.signals["failed"].canary.trials == 7 * 50 + 1


def test_who_left_early_is_not_slow_and_not_fast() -> None:
    normal = kinds("stable", 50, response=50, keys=0) + kinds("candidate", 50, response=50, keys=0)
    evidence = folded(*[normal] * 2)
    evidence.fold(normal + kinds("candidate", 9, "abandoned", response=20, keys=0), 3)
    assert evidence.signals["slow_response"].canary.trials == 100
    assert evidence.signals["abandoned"].canary.events == 9


def test_one_bad_customer_is_not_a_bad_stack() -> None:
    loud = Counter({Kind("candidate", "chat", "loud", "failed"): 12})
    evidence = folded(*[LIKE + loud] * 20)
    assert words(evidence, 0.1, 20)["failed"] == "inconclusive"
    assert verdict(evidence, "failed").obstacle in ("", "few keys")


def test_three_keys_that_all_fail_are_enough() -> None:
    look = kinds("stable", 10, keys=3) + kinds("candidate", 3, "failed", keys=3)
    assert words(folded(*[look] * 5), 0.5, 5)["failed"] == "worse"


def test_a_few_keys_that_often_fail_need_more_keys_and_say_how_many() -> None:
    look = kinds("stable", 30, keys=3) + kinds("candidate", 15, keys=3)
    look += kinds("candidate", 15, "failed", keys=3)
    seen = verdict(folded(*[look] * 30), "failed", 0.5)
    assert (seen.word, seen.obstacle) == ("inconclusive", "few keys")
    assert seen.keys_needed > 3


def test_few_keys_are_judged_by_their_own_past() -> None:
    before = kinds("stable", 30, keys=3) + kinds("candidate", 6, keys=2)
    evidence = folded(*[before] * 10)
    evidence.begin_step(1)
    for look in range(10, 40):
        now = Counter[Kind]()
        for number in range(3):
            moved = Kind("candidate", "chat", f"stable_{number}", "answered")
            now[moved] += 4
            now[moved._replace(ending="failed")] += 4
        evidence.fold(now + kinds("stable", 30, keys=2), look)
    assert words(evidence, 0.5, 40)["failed"] == "worse"


def test_looks_that_find_one_arm_alone_are_judged_together_but_not_for_ever() -> None:
    evidence = folded(kinds("stable", 3))
    assert evidence.signals["failed"].control.trials == 0
    evidence.fold(kinds("candidate", 3), 3600)
    assert evidence.signals["failed"].control.trials == 3
    evidence.fold(kinds("stable", 3), 3700)
    evidence.fold(kinds("stable", 3), 3700 + MAX_SECONDS)
    assert evidence.signals["failed"].control.trials == 9


def test_a_new_step_has_to_earn_its_own_advance() -> None:
    evidence = folded(*[LIKE] * 80)
    evidence.begin_step(1)
    assert course(words(evidence, 0.1, 80).values()) == "hold"


def test_a_signal_on_one_stack_only_holds() -> None:
    silent = kinds("stable", 50) + kinds("candidate", 50, pause=30, longest=30)
    seen = verdict(folded(*[silent] * 40), "slow_pauses", 0.5)
    assert (seen.word, seen.obstacle) == ("inconclusive", "one arm") or seen.word == "not measured"


def test_the_budget_is_spent_where_it_is_wanted_and_never_exceeded() -> None:
    policy = Policy(weights={"failed": 3.0, "odd_output": 1.0})
    assert sum(policy.alpha(signal) for signal in SIGNALS) < BUDGET
    assert policy.alpha("failed") == 3 * policy.alpha("odd_output")
    assert policy.alpha("rejected") == 0
    bad = LIKE + kinds("candidate", 6, "rejected")
    assert words(folded(*[bad] * 40, policy=policy), 0.1, 40)["rejected"] != "worse"


def test_a_forecast_says_how_much_longer() -> None:
    seen = verdict(folded(*[LIKE] * 10), "failed", at=10)
    assert seen.word == "inconclusive"
    assert seen.seconds_left is not None
    assert 5 < seen.seconds_left < 120
