"""The pure parts of rollouts: states, who is in the canary, and what counts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from querylake_api.errors import ApiError
from querylake_api.inference.catalog import Model, Target
from querylake_api.requests.gaps import RELATIVE_ERROR, Gaps
from querylake_api.requests.identity import RequestIdentity
from querylake_api.requests.record import Outcome, Progress, RequestRecord
from querylake_api.rollouts.records.buckets import BUCKETS, bucket, limit
from querylake_api.rollouts.records.lifecycle import Action, Course, Status, after, allowed
from querylake_api.rollouts.records.split import Split, below
from querylake_api.rollouts.routing.assignment import RolloutAssignment
from querylake_api.rollouts.routing.outcome_recorder import OutcomeRecorder
from querylake_api.rollouts.routing.token_waits import WINDOW_SECONDS
from querylake_api.settings import Role
from querylake_api_testing.engines import named_engine
from querylake_api_testing.finished_requests import finished_request
from querylake_api_testing.valid_keys import valid_key
from rollout_statistics.outcomes import Kind
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


def model(*candidates: str) -> Model:
    def target(name: str, stack: Role) -> Target:
        return Target(named_engine(name), "m", stack)

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
        assignment.stack_for(its_model, valid_key(f"key_{number}"), "") for number in range(2000)
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
    stacks = [
        assignment.stack_for(model("new"), valid_key(name), "") for name in ("a", "d", "both")
    ]
    assert stacks == ["candidate", "stable", "stable"]


def test_without_stickiness_each_request_is_drawn() -> None:
    assignment = RolloutAssignment()
    assignment.adopt([split(sticky=False)], 1, ())
    stacks = {assignment.stack_for(model("new"), valid_key("k"), f"req_{n}") for n in range(50)}
    assert stacks == {"stable", "candidate"}


def test_a_stop_takes_the_traffic_back_at_once() -> None:
    assignment = RolloutAssignment()
    assignment.adopt([split(Status.PROMOTED)], 1, {"r"})
    assert share_of(assignment, model("new")) == 0


def record(outcome: Outcome, **changes: Any) -> RequestRecord:
    return finished_request(
        outcome, **{"route": "/v1/chat/completions", "stack": "candidate", **changes}
    )


@pytest.mark.parametrize(
    ("outcome", "ending"),
    [
        ("success", "answered"),
        ("upstream_error", "failed"),
        ("truncated", "failed"),
        ("in_band_error", "failed"),
        ("client_error", None),
        ("client_abort", "abandoned"),
        ("server_error", None),
        ("shutdown", None),
    ],
)
def test_what_the_stack_did_counts(outcome: Outcome, ending: str | None) -> None:
    assignment = RolloutAssignment()
    assignment.adopt([split()], 1, ())
    recorder = OutcomeRecorder(assignment)
    recorder.finished(record(outcome))
    kinds = [kind for batch in recorder.take() for kind in batch.counts]
    assert [kind.ending for kind in kinds] == ([] if ending is None else [ending])


@pytest.mark.parametrize(
    ("status", "code", "ending"),
    [
        (429, "rejected_by_engine", "failed"),
        (400, "rejected_by_engine", "rejected"),
        (404, "not_offered_by_engine", "rejected"),
        (429, "queue_full", "refused"),
        (503, "queue_timeout", "refused"),
        (429, "rate_limit_exceeded", None),
        (400, "invalid_json", None),
    ],
)
def test_whose_word_a_refusal_is(status: int, code: str, ending: str | None) -> None:
    kinds = kinds_of(partial(record, "client_error", status=status, error_code=code))
    assert [kind.ending for kind in kinds] == ([] if ending is None else [ending])


def kinds_of(*made: Callable[[], RequestRecord]) -> list[Kind]:
    assignment = RolloutAssignment()
    assignment.adopt([split()], 1, ())
    recorder = OutcomeRecorder(assignment)
    for each in made:  # requests that begin after the step was taken over
        recorder.finished(each())
    return [kind for batch in recorder.take() for kind in batch.counts]


def test_a_response_that_is_not_streamed_has_a_duration_too() -> None:
    whole = partial(record, "success", seconds=2.0)
    stream = partial(whole, streamed=True, first_token_seconds=0.5)
    assert [kind.response for kind in kinds_of(whole, stream)] == [bucket_of(2.0), bucket_of(0.5)]


@pytest.mark.parametrize(
    ("changes", "odd", "finish"),
    [
        ({"finish_reason": "stop"}, False, "stop"),
        ({"finish_reason": "tool_calls"}, False, "tool"),
        ({"finish_reason": "length"}, True, ""),
        ({"finish_reason": "stop", "empty": True}, True, "stop"),
        ({"finish_reason": "stop", "loops": True}, True, "stop"),
        ({}, False, ""),
    ],
)
def test_what_the_output_was(changes: dict[str, Any], odd: bool, finish: str) -> None:
    [kind] = kinds_of(partial(record, "success", **changes))
    assert (kind.odd, kind.finish) == (odd, finish)


def test_an_attempt_that_another_replica_saved_counts() -> None:
    [kind] = kinds_of(partial(record, "success", attempts=2, failed_attempts=1))
    assert kind.attempt_failed


def test_a_replica_that_was_busy_has_not_failed() -> None:
    [kind] = kinds_of(partial(record, "success", attempts=2))
    assert not kind.attempt_failed


def test_who_waits_is_counted_once_at_each_mark_and_not_after_the_first_token() -> None:
    assignment = RolloutAssignment()
    assignment.adopt([split()], 1, ())
    now = time.perf_counter()
    recorder = OutcomeRecorder(assignment, clock=lambda: now)
    hangs, streams = (RequestIdentity(name, "POST", "/", started_at=now) for name in "hs")
    workload = record("success").workload
    begun = Progress()
    begun.first_token_at = now
    recorder.began(hangs, workload, "candidate", "candidate", Progress())
    recorder.began(streams, workload, "candidate", "candidate", begun)
    marks = []
    for seconds in (1.0, 4.0, 5.0, 11.0):
        now += seconds
        marks.append([kind.response for batch in recorder.take() for kind in batch.counts])
    assert marks == [[], [bucket_of(3.0)], [bucket_of(10.0)], []]
    recorder.finished(record("success", identity=hangs))
    now += 100
    assert [kind.ending for batch in recorder.take() for kind in batch.counts] == ["answered"]


def test_waits_of_the_stable_stack_are_known_before_a_rollout_and_while_it_runs() -> None:
    assignment = RolloutAssignment()
    now = time.perf_counter()
    recorder = OutcomeRecorder(assignment, clock=lambda: now)
    stream = partial(record, "success", stack="stable", streamed=True)
    assert recorder.longest_wait("m") == 0.0
    recorder.finished(record("success", stack="stable", seconds=30.0))
    assert recorder.longest_wait("m") == pytest.approx(30.0), "nothing better is known"
    recorder.finished(stream(seconds=40.0, first_token_seconds=4.0, queued_seconds=1.0))
    recorder.finished(record("success", stack="candidate", streamed=True, seconds=50.0))
    recorder.finished(stream(model="other", seconds=50.0))
    assert recorder.longest_wait("m") == pytest.approx(3.0), "of the engine, not of the queue"
    paused = Gaps()
    for pause in (0.02, 6.0, 0.02):
        paused.add(pause)
    recorder.finished(stream(seconds=40.0, first_token_seconds=0.1, gaps=paused))
    assert recorder.longest_wait("m") == pytest.approx(6.0, rel=RELATIVE_ERROR)
    waits = RequestIdentity("w", "POST", "/", started_at=now)
    recorder.began(waits, stream().workload, "stable", "stable", Progress())
    now += 8.0
    assert recorder.longest_wait("m") == pytest.approx(8.0)
    recorder.forget(waits)
    now += 2 * WINDOW_SECONDS + 40.0
    assert recorder.longest_wait("m") == 0.0, "what was minutes ago says nothing of now"


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
