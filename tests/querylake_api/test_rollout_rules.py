"""The pure parts of rollouts: states, who is in the canary, what counts, and what follows."""

from __future__ import annotations

import math
import random
from collections import Counter
from datetime import UTC, datetime
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from querylake_api.errors import ApiError
from querylake_api.inference.catalog import Model, Target
from querylake_api.keys.models import ApiKey, Scope
from querylake_api.observability.request_record import Outcome, RequestRecord
from querylake_api.rollouts.buckets import BUCKETS, bucket, limit
from querylake_api.rollouts.decision import decide
from querylake_api.rollouts.evidence import Evidence
from querylake_api.rollouts.lifecycle import Action, Course, Status, after, allowed
from querylake_api.rollouts.open_block import MAX_LOOKS
from querylake_api.rollouts.outcomes import Kind, OutcomeRecorder
from querylake_api.rollouts.plan import Judging, RolloutPlan, Step
from querylake_api.rollouts.routing import RolloutAssignment, Split, below
from querylake_api.rollouts.triggers import EngineWatch, blind_spots
from querylake_api.rollouts.verdict import judge
from querylake_api.settings import Role
from querylake_api.upstreams.facts import LastExit, UpstreamFacts
from querylake_api.upstreams.upstream import Upstream
from rollout_statistics.policy import Policy
from rollout_statistics.running_quantile import bucket_of

NOTHING_ENDS = {Status.ROLLED_BACK, Status.ABORTED}


@given(
    actions=st.lists(st.sampled_from(list(Action)), max_size=40),
    steps=st.integers(min_value=1, max_value=5),
)
def test_a_rollout_only_ever_goes_where_it_may(actions: list[Action], steps: int) -> None:
    course = Course(Status.DRAFT)
    for action in actions:
        can = allowed(course, steps)
        if action not in can:
            with pytest.raises(ApiError, match="Allowed now"):
                after(course, action, steps)
            continue
        following = after(course, action, steps)
        assert course.status not in NOTHING_ENDS
        assert following.step in (course.step, course.step + 1)
        assert following.step < steps
        if following.step != course.step:
            assert action is Action.ADVANCE
        course = following
    assert course.status is not Status.DRAFT or Action.START in allowed(course, steps)


def test_a_promotion_can_be_rolled_back_and_nothing_else() -> None:
    assert allowed(Course(Status.PROMOTED), 3) == [Action.ROLLBACK]


@given(
    unit=st.text(max_size=20),
    salt=st.text(max_size=8),
    few=st.floats(min_value=0, max_value=100),
    more=st.floats(min_value=0, max_value=100),
)
def test_a_larger_share_only_adds(unit: str, salt: str, few: float, more: float) -> None:
    few, more = sorted((few, more))
    place = bucket(salt, unit)
    assert 0 <= place < BUCKETS
    assert place < limit(more) or not place < limit(few)


def test_the_share_is_what_was_asked_for_and_another_salt_draws_others() -> None:
    keys = [f"key_{number}" for number in range(20_000)]
    first = {key for key in keys if bucket("one", key) < limit(10)}
    second = {key for key in keys if bucket("two", key) < limit(10)}
    assert len(first) == pytest.approx(2000, rel=0.1)
    assert len(first & second) == pytest.approx(200, rel=0.4)


def key(name: str) -> ApiKey:
    return ApiKey(
        id=name,
        name=name,
        hint="",
        scopes=frozenset({Scope.INFERENCE}),
        models=None,
        created_at=datetime.now(UTC),
        expires_at=None,
        revoked_at=None,
    )


class NamedEngine:
    def __init__(self, name: str) -> None:
        self.name = name


def model(*candidates: str) -> Model:
    def target(name: str, stack: Role) -> Target:
        return Target(cast("Upstream", NamedEngine(name)), "m", stack)

    return Model(
        id="m",
        aliases=(),
        capabilities=frozenset({"chat"}),
        stable=(target("old", "stable"),),
        candidates=tuple(target(name, "candidate") for name in candidates),
    )


def split(status: Status = Status.RUNNING, percent: float = 50, **changes: object) -> Split:
    values: dict[str, object] = {
        "rollout_id": "r",
        "model": "m",
        "candidates": frozenset({"new"}),
        "status": status,
        "step": 0,
        "salt": "s",
        "below": below(status, percent),
    }
    return Split(**(values | changes))  # type: ignore[arg-type]


def share_of(assignment: RolloutAssignment, its_model: Model) -> float:
    stacks = Counter(
        assignment.stack_for(its_model, key(f"key_{number}"), "") for number in range(2000)
    )
    return stacks["candidate"] / 2000


@pytest.mark.parametrize(
    ("status", "share"),
    [
        (Status.RUNNING, 0.5),
        (Status.PAUSED, 0.5),
        (Status.PROMOTED, 1.0),
        (Status.ROLLED_BACK, 0.0),
        (Status.ABORTED, 0.0),
    ],
)
def test_the_status_says_where_requests_go(status: Status, share: float) -> None:
    assignment = RolloutAssignment()
    assignment.adopt([split(status)], 1, ())
    assert share_of(assignment, model("new")) == pytest.approx(share, abs=0.05)


def test_a_rollout_says_nothing_of_other_candidates_than_its_own() -> None:
    assignment = RolloutAssignment()
    assignment.adopt([split(Status.PROMOTED)], 1, ())
    assert share_of(assignment, model("newer")) == 0
    assert share_of(assignment, model("new", "newer")) == 0


def test_lists_come_before_the_draw_and_deny_before_allow() -> None:
    assignment = RolloutAssignment()
    allow, deny = frozenset({"a", "both"}), frozenset({"d", "both"})
    assignment.adopt([split(percent=0.01, allow=allow, deny=deny)], 1, ())
    stacks = [assignment.stack_for(model("new"), key(name), "") for name in ("a", "d", "both")]
    assert stacks == ["candidate", "stable", "stable"]


def test_without_stickiness_each_request_is_drawn() -> None:
    assignment = RolloutAssignment()
    assignment.adopt([split(sticky=False)], 1, ())
    stacks = {assignment.stack_for(model("new"), key("k"), f"req_{n}") for n in range(50)}
    assert stacks == {"stable", "candidate"}


def test_a_stop_takes_the_traffic_back_at_once() -> None:
    assignment = RolloutAssignment()
    assignment.adopt([split(Status.PROMOTED)], 1, {"r"})
    assert share_of(assignment, model("new")) == 0


def record(outcome: Outcome, **changes: object) -> RequestRecord:
    made = RequestRecord("id", "POST", "/v1/chat/completions", route="/v1/chat/completions")
    made.model, made.key_id, made.outcome = "m", "k", outcome
    made.stack = made.assigned_stack = "candidate"
    for name, value in changes.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("outcome", "failed"),
    [
        ("success", False),
        ("upstream_error", True),
        ("truncated", True),
        ("in_band_error", True),
        ("client_error", None),
        ("client_abort", None),
        ("server_error", None),
        ("shutdown", None),
    ],
)
def test_only_what_the_engine_did_counts(outcome: Outcome, failed: bool | None) -> None:
    assignment = RolloutAssignment()
    assignment.adopt([split()], 1, ())
    recorder = OutcomeRecorder(assignment)
    recorder.finished(record(outcome))
    kinds = [kind for batch in recorder.take() for kind in batch.counts]
    assert [kind.failed for kind in kinds] == ([] if failed is None else [failed])


def test_an_engine_without_room_has_failed_and_a_key_over_its_limit_has_not() -> None:
    assignment = RolloutAssignment()
    assignment.adopt([split()], 1, ())
    recorder = OutcomeRecorder(assignment)
    for code in ("rejected_by_engine", "rate_limit_exceeded"):
        recorder.finished(record("client_error", status=429, error_code=code))
    kinds = [kind for batch in recorder.take() for kind in batch.counts]
    assert [kind.failed for kind in kinds] == [True]


def test_requests_from_before_the_step_and_of_other_models_do_not_count() -> None:
    assignment = RolloutAssignment()
    early = record("upstream_error")
    assignment.adopt([split()], 1, ())
    recorder = OutcomeRecorder(assignment)
    recorder.finished(early)
    recorder.finished(record("upstream_error", model="other"))
    assert recorder.take() == []


def test_what_follows_from_the_outcome_does_not_decide_the_stratum() -> None:
    assignment = RolloutAssignment()
    assignment.adopt([split()], 1, ())
    recorder = OutcomeRecorder(assignment)
    recorder.finished(record("success", prompt_tokens=5000, request_bytes=900))
    recorder.finished(record("upstream_error", request_bytes=900))
    kinds = [kind for batch in recorder.take() for kind in batch.counts]
    assert len({kind.stratum for kind in kinds}) == 1


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


def facts(**changes: object) -> UpstreamFacts:
    values: dict[str, object] = {
        "name": "new",
        "condition": "up",
        "detail": "answers",
        "since": 0.0,
        "in_rotation": True,
        "breaker": "closed",
        "outstanding": 0,
        "connect_failures": 0,
        "restarts": 2,
        "last_restart_at": None,
        "last_exit": None,
        "last_error": None,
        "last_error_at": None,
        "requests_running": 1,
        "requests_waiting": 0,
        "tokens_total": 5,
        "stalled_seconds": 0.0,
        "supervisor_told": True,
    }
    return UpstreamFacts(**(values | changes))  # type: ignore[arg-type]


def watched(
    *looks: dict[str, object],
    stable: tuple[float, ...] = (),
    judging: Judging = Judging(),  # noqa: B008 - immutable
) -> list[str]:
    """Return the alarms after some looks at a candidate, the first of which is all well."""
    watch = EngineWatch()
    control = [facts(name="old", stalled_seconds=seconds) for seconds in stable]
    found: list[str] = []
    for changes in ({}, *looks):
        found = watch.alarms(control, [facts(**changes)], judging)
    return found


OOM = LastExit("cuda_out_of_memory", "CUDA ran out", 150.0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"last_exit": OOM}, "out of memory: CUDA ran out"),
        ({"restarts": 3}, "restarted"),
        ({"condition": "down", "detail": "refused"}, "is down: refused"),
        ({"condition": "stalled", "detail": "it stands"}, "is stalled: it stands"),
        ({"stalled_seconds": 2.6}, "made no token for 2.6 s"),
        ({"connect_failures": 5}, "5 times in a row"),
        ({"last_exit": LastExit("terminated", "by hand", 150.0)}, None),
        ({"stalled_seconds": 2.4, "connect_failures": 4}, None),
    ],
)
def test_what_rolls_back_at_once(changes: dict[str, object], words: str | None) -> None:
    found = watched(changes)
    assert (words in found[0]) if words else (found == [])


def test_an_engine_that_has_ended_is_not_forgiven_for_being_back() -> None:
    assert "restarted" in watched({"restarts": 3}, {"restarts": 3})[0]
    assert "out of memory" in watched({"last_exit": OOM, "restarts": 3}, {"restarts": 3})[0]


def test_what_happened_before_the_rollout_is_no_alarm_whatever_clocks_say() -> None:
    watch = EngineWatch()
    before = facts(last_exit=LastExit("cuda_out_of_memory", "long ago", 9e9), restarts=7)
    assert [watch.alarms([], [before], Judging()) for _ in range(2)] == [[], []]
    reloaded = facts(last_exit=before.last_exit, restarts=0)
    assert watch.alarms([], [reloaded], Judging()) == []
    again = facts(last_exit=before.last_exit, restarts=1)
    assert "restarted" in watch.alarms([], [again], Judging())[0]


def test_a_candidate_may_stand_still_for_twice_as_long_as_the_stable_stack_does() -> None:
    assert watched({"stalled_seconds": 5.9}, stable=(3.0, 0.0)) == []
    assert watched({"stalled_seconds": 6.1}, stable=(3.0, 0.0))
    assert watched({"stalled_seconds": 10.1}, stable=(60.0,)), "but never for longer than this"
    patient = Judging(stall_seconds=30)
    assert watched({"stalled_seconds": 29.0}, judging=patient) == []
    assert watched({"stalled_seconds": 30.0}, stable=(60.0,), judging=patient)


def test_what_should_be_known_and_is_not_is_not_fine() -> None:
    def blind(
        changes: dict[str, object], supervised: tuple[str, ...] = (), telling: tuple[str, ...] = ()
    ) -> str:
        return "; ".join(blind_spots([facts(**changes)], supervised, telling))

    silent: dict[str, object] = {"requests_running": None, "tokens_total": None}
    assert blind(silent) == "", "an engine that never told anything"
    assert blind(silent, telling=("new",)) == "nobody tells the progress of 'new'"
    assert blind(silent, supervised=("new",)) == "nobody tells the progress of 'new'"
    alone: dict[str, object] = {"supervisor_told": False}
    assert blind(alone, supervised=("new",)) == "the supervisor of 'new' does not answer"
    assert blind({"condition": "unknown"}) == "'new' has not been looked at"
    assert blind({"condition": "draining"}) == "'new' is draining"
    assert blind({}, supervised=("new",)) == ""
