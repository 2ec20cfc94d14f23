"""What rolls back at once, and what must be known before anything is fine."""

from __future__ import annotations

import pytest

from querylake_api.rollouts.judging.triggers import EngineWatch, blind_spots
from querylake_api.rollouts.records.plan import Judging
from querylake_api.upstreams.facts import LastExit, UpstreamFacts


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
        ({"stalled_seconds": 2.6}, "made no token for 2.5 s or longer"),
        ({"connect_failures": 6}, "5 times or more in a row"),
        ({"last_exit": LastExit("terminated", "by hand", 150.0)}, None),
        ({"stalled_seconds": 2.4, "connect_failures": 4}, None),
    ],
)
def test_what_rolls_back_at_once(changes: dict[str, object], words: str | None) -> None:
    found = watched(changes)
    assert (words in found[0]) if words else (found == [])


@pytest.mark.parametrize("fact", ["stalled_seconds", "connect_failures"])
def test_an_alarm_says_the_same_while_the_fault_lasts(fact: str) -> None:
    assert watched({fact: 6}) == watched({fact: 6}, {fact: 60}) != []


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
    assert watched({"stalled_seconds": 10.1}, stable=(9.9,)), "but never for longer than this"
    patient = Judging(stall_seconds=30)
    assert watched({"stalled_seconds": 29.0}, judging=patient) == []
    assert watched({"stalled_seconds": 30.0}, stable=(29.0,), judging=patient)


@pytest.mark.parametrize(
    "changes",
    [
        {"condition": "down", "detail": "no answer in time"},
        {"condition": "stalled", "detail": "it stands"},
        {"stalled_seconds": 60.0},
        {"connect_failures": 6},
    ],
)
def test_what_the_stable_stack_shows_too_is_an_incident_of_both(
    changes: dict[str, object],
) -> None:
    watch = EngineWatch()
    assert watch.alarms([facts(name="old", **changes)], [facts(**changes)], Judging()) == []
    assert watch.alarms([facts(name="old")], [facts(**changes)], Judging())


def test_a_candidate_may_stand_still_for_twice_as_long_as_a_request_to_the_stable_stack_waits() -> (
    None
):
    watch = EngineWatch()
    busy = facts(name="old", stalled_seconds=0.0)

    def alarms(seconds: float, longest_wait: float) -> list[str]:
        return watch.alarms([busy], [facts(stalled_seconds=seconds)], Judging(), longest_wait)

    assert alarms(4.0, longest_wait=0.5)
    assert alarms(4.0, longest_wait=4.0) == []
    assert alarms(8.1, longest_wait=4.0)
    assert alarms(10.1, longest_wait=300.0), "but never for longer than this"


@pytest.mark.parametrize(
    ("stable_silent", "candidate", "alarm"),
    [
        (0.0, {"silent_seconds": 3.3}, True),
        # Its looks take 1.2 s each and are all answered; the candidate's never are.
        (1.2, {"silent_seconds": 3.3}, True),
        (3.0, {"silent_seconds": 3.3}, False),
        # Nobody listens at the candidate, which is no silence.
        (3.0, {"silent_seconds": 0.004}, True),
    ],
)
def test_silence_that_the_stable_stack_shows_too_is_nobodys_before_it_is_called_down(
    stable_silent: float, candidate: dict[str, object], alarm: bool
) -> None:
    up = facts(name="old", silent_seconds=stable_silent)
    down = facts(condition="down", detail="no answer in time", **candidate)
    assert bool(EngineWatch().alarms([up], [down], Judging())) is alarm


def test_a_candidate_that_crashes_while_both_are_ill_has_crashed() -> None:
    watch = EngineWatch()
    watch.alarms([facts(name="old")], [facts()], Judging())
    ill = facts(name="old", condition="down", restarts=1)
    crashed = facts(condition="down", last_exit=OOM)
    assert "out of memory" in watch.alarms([ill], [crashed], Judging())[0]


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
