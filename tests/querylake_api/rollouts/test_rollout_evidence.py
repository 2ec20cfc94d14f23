"""What is counted of two arms, what it says, and what follows from that."""

from __future__ import annotations

import math
import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from querylake_api.rollouts.judging.decision import decide
from querylake_api.rollouts.judging.evidence import Evidence
from querylake_api.rollouts.judging.open_block import MAX_LOOKS
from querylake_api.rollouts.judging.verdict import judge
from querylake_api.rollouts.records.lifecycle import Course, Status
from querylake_api.rollouts.records.outcomes import Kind
from querylake_api.rollouts.records.plan import RolloutPlan, Step
from querylake_api.settings import Role
from rollout_statistics.policy import Policy
from rollout_statistics.running_quantile import bucket_of


def kinds(
    arm: Role, *, good: int, bad: int = 0, first_token: int | None = None, keys: int = 20
) -> Counter[Kind]:
    counts: Counter[Kind] = Counter()
    for number in range(good + bad):
        failed = number >= good
        duration = None if failed else first_token
        name = f"{arm}_{number % keys}"
        counts[Kind(arm, "chat", name, failed, duration, duration)] += 1
    return counts


def evidence_of(*rounds: Counter[Kind]) -> Evidence:
    evidence = Evidence(Policy())
    for counts in rounds:
        evidence.fold(counts)
    return evidence


PLAN = RolloutPlan(
    model="m", steps=(Step(percent=10, bake_seconds=60), Step(percent=50, bake_seconds=60))
)


def next_of(evidence: Evidence, course: Course, *, baked: float = 60, **seen: list[str]) -> str:
    return decide(
        PLAN,
        course,
        baked_seconds=baked,
        verdicts=judge(evidence, 0.1),
        alarms=seen.get("alarms", []),
        blind_spots=seen.get("blind_spots", []),
    ).next


RUNNING = Course(Status.RUNNING)
LIKE = [kinds("stable", good=900) + kinds("candidate", good=100)] * 8
FAULTY = [kinds("stable", good=890, bad=9) + kinds("candidate", good=90, bad=10)] * 8


def test_a_like_canary_goes_on_once_baked_and_a_worse_one_goes_back() -> None:
    assert next_of(evidence_of(*LIKE), RUNNING) == "advance"
    assert next_of(evidence_of(*LIKE), Course(Status.RUNNING, 1)) == "finish"
    assert next_of(evidence_of(*LIKE), RUNNING, baked=59) == "hold"
    assert next_of(evidence_of(*FAULTY), RUNNING, baked=0) == "rollback"


def test_what_is_not_known_holds() -> None:
    assert next_of(evidence_of(), RUNNING, baked=10_000) == "hold"
    assert next_of(evidence_of(LIKE[0]), RUNNING, baked=10_000) == "hold"
    assert next_of(evidence_of(*LIKE), RUNNING, blind_spots=["no metrics"]) == "hold"


def test_a_pause_holds_what_is_good_and_not_what_harms() -> None:
    paused = Course(Status.PAUSED)
    assert next_of(evidence_of(*LIKE), paused) == "hold"
    assert next_of(evidence_of(*FAULTY), paused) == "rollback"
    assert next_of(evidence_of(*LIKE), paused, alarms=["it is dead"]) == "rollback"


def test_slow_first_tokens_are_found_and_small_differences_forgiven() -> None:
    def rounds(slower: int) -> list[Counter[Kind]]:
        once: Counter[Kind] = Counter()
        for bucket_number in range(20):
            once += kinds("stable", good=20, first_token=bucket_number)
            once += kinds("candidate", good=20, first_token=bucket_number + slower)
        return [once] * 8

    assert next_of(evidence_of(*rounds(0)), RUNNING) == "advance"
    assert next_of(evidence_of(*rounds(35)), RUNNING) == "rollback"


def rounds_of(share_slow: int, slower_by: int) -> list[Counter[Kind]]:
    """Both arms like each other, but for some of the candidate's slow answers, which are slower."""
    once: Counter[Kind] = Counter()
    for bucket_number in range(20):
        once += kinds("stable", good=20, first_token=bucket_number)
        later = slower_by if bucket_number >= 20 - share_slow else 0
        once += kinds("candidate", good=20, first_token=bucket_number + later)
    return [once] * 8


def test_slower_within_what_the_plan_allows_is_no_reason_to_go_back() -> None:
    evidence = evidence_of(*rounds_of(share_slow=4, slower_by=8))  # 1.17 times
    [_, first_token, _] = judge(evidence, 0.1)
    assert first_token.e_worse > first_token.e_needed, "it is slower, beyond doubt"
    assert first_token.excess < 0
    assert first_token.word == "not worse"
    assert "slower, but by no more than the plan allows: 1.25 times" in first_token.reason
    assert next_of(evidence, RUNNING) == "advance"


def test_slower_than_the_plan_allows_goes_back_and_says_so() -> None:
    evidence = evidence_of(*rounds_of(share_slow=4, slower_by=16))  # 1.37 times
    [_, first_token, _] = judge(evidence, 0.1)
    assert first_token.excess > 0
    assert first_token.word == "worse"
    assert "slower than the plan allows: 1.25 times" in first_token.reason


def test_a_new_steps_first_requests_do_not_decide_what_is_forgiven() -> None:
    evidence = evidence_of(*rounds_of(share_slow=4, slower_by=8))
    evidence.begin_step(1)
    few = kinds("stable", good=60, first_token=0) + kinds("candidate", good=60, first_token=40)
    evidence.fold(few)
    [_, first_token, _] = judge(evidence, 0.1)
    assert first_token.e_worse > first_token.e_needed
    assert first_token.word == "inconclusive"
    assert "not decided yet" in first_token.reason


def test_a_rollout_from_before_there_was_an_excess_goes_on_from_its_steps_totals() -> None:
    evidence = evidence_of(*rounds_of(share_slow=4, slower_by=16))
    document = evidence.document()
    for signal in document["signals"].values():
        del signal["excess"], signal["odds_not_worse"]
    verdicts = judge(Evidence.of(Policy(), document), 0.1)
    assert [each.word for each in verdicts] == [each.word for each in judge(evidence, 0.1)]
    assert verdicts[1].excess > 0


def test_looks_that_find_one_arm_alone_are_judged_together() -> None:
    evidence = evidence_of(kinds("stable", good=3))
    assert evidence.signals["errors"].control.trials == 0
    evidence.fold(kinds("candidate", good=1, bad=2))
    seen = evidence.signals["errors"]
    assert (seen.control.trials, seen.canary.trials, seen.canary.events) == (3, 3, 2)
    assert seen.worse.log_e() > 0
    assert evidence.open_blocks == {}


def test_an_arm_alone_does_not_wait_for_ever_and_not_for_the_next_step() -> None:
    waiting = [kinds("stable", good=3)] * MAX_LOOKS
    assert evidence_of(*waiting).signals["errors"].control.trials == 3 * MAX_LOOKS
    evidence = evidence_of(*waiting[1:])
    evidence.begin_step(1)
    evidence.fold(kinds("stable", good=2) + kinds("candidate", good=2))
    assert evidence.signals["errors"].control.trials == 2


def ever_slow(seed: int, ratio: float, alpha: float) -> bool:
    """Return whether first tokens are ever thought slow in 800 requests, threshold and all."""
    generator = random.Random(seed)
    evidence = evidence_of()
    for _ in range(100):
        counts: Counter[Kind] = Counter()
        for _ in range(8):
            arm: Role = generator.choice(("stable", "candidate"))
            seconds = generator.lognormvariate(-2, 0.6) * (ratio if arm == "candidate" else 1)
            counts[Kind(arm, "chat", "", False, bucket_of(seconds), None)] += 1
        evidence.fold(counts)
        if evidence.signals["first_token"].worse.log_e() >= -math.log(alpha):
            return True
    return False


def test_a_threshold_that_few_answers_have_set_raises_no_false_alarms() -> None:
    """At alpha = 0.2, 60 runs; 21 would be 3 standard deviations too many."""
    assert sum(ever_slow(seed, 1.0, alpha=0.2) for seed in range(60)) <= 21
    assert sum(ever_slow(seed, 2.0, alpha=0.2) for seed in range(20)) == 20


def test_one_bad_customer_is_not_a_bad_stack() -> None:
    one = Counter({Kind("candidate", "chat", "loud", True, None, None): 12})
    mixed = [kinds("stable", good=890, bad=9) + kinds("candidate", good=100) + one] * 8
    assert next_of(evidence_of(*mixed), RUNNING) == "hold"


def test_a_new_step_has_to_earn_its_own_advance() -> None:
    evidence = evidence_of(*LIKE)
    evidence.begin_step(1)
    assert next_of(evidence, Course(Status.RUNNING, 1)) == "hold"


@given(
    good=st.integers(min_value=0, max_value=60),
    bad=st.integers(min_value=0, max_value=60),
    duration=st.one_of(st.none(), st.integers(min_value=-100, max_value=300)),
)
def test_evidence_survives_the_way_through_the_database(
    good: int, bad: int, duration: int | None
) -> None:
    rounds = [
        kinds("stable", good=200, bad=2, first_token=duration)
        + kinds("candidate", good=good, bad=bad, first_token=duration)
    ] * 2
    whole = evidence_of(*rounds)
    halves = Evidence.of(Policy(), evidence_of(rounds[0]).document())
    halves.fold(rounds[1])
    assert halves.document() == whole.document()
    assert judge(halves, 0.1) == judge(whole, 0.1)
