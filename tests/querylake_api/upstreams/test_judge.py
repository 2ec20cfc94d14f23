"""What looks at an engine amount to."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from llm_provider.engine_metrics import EngineMetrics
from llm_provider.provider import Health
from querylake_api.upstreams.facts import Condition
from querylake_api.upstreams.judge import HealthPolicy, Judge, Look
from querylake_api.upstreams.runtime_status import RuntimeExit, RuntimeStatus

GOOD = Look(Health(True, "status 200", 0.0))
BAD = Look(Health(False, "status 503", 0.0))
SILENT = Look(None)


def conditions(judge: Judge, *looks: Look) -> list[Condition]:
    seen: list[Condition] = []
    for number, look in enumerate(looks):
        judge.consider(look, float(number))
        seen.append(judge.condition)
    return seen


@pytest.fixture
def judge() -> Judge:
    return Judge(HealthPolicy(failures=3, successes=2, stall_seconds=10))


def test_several_bad_looks_take_it_out_and_several_good_ones_bring_it_back(judge: Judge) -> None:
    assert conditions(judge, GOOD, BAD, BAD, GOOD, BAD, SILENT, BAD) == [
        *["up"] * 6,
        "down",
    ]
    assert conditions(judge, BAD, GOOD, BAD, GOOD, GOOD) == [*["down"] * 4, "up"]


def test_the_first_look_counts_at_once(judge: Judge) -> None:
    assert conditions(judge, BAD) == ["down"]
    assert judge.detail == "status 503"


def test_an_engine_that_answers_requests_may_be_slow_to_answer_looks(judge: Judge) -> None:
    busy = Look(None, answered=True)
    assert conditions(judge, GOOD, *[busy] * 10) == ["up"] * 11
    assert conditions(judge, *[SILENT] * 3)[-1] == "down"


def test_a_word_of_its_own_counts_for_more_than_answers(judge: Judge) -> None:
    dying = Look(Health(False, "status 503", 0.0), answered=True)
    assert conditions(judge, GOOD, *[dying] * 3)[-1] == "down"


def working(tokens: int, running: int = 1) -> Look:
    return Look(Health(True, "status 200", 0.0), EngineMetrics(running, 0, tokens))


def test_healthy_but_not_progressing(judge: Judge) -> None:
    seen: list[Condition] = []
    for now, look in (
        (0.0, working(5)),
        (5.0, working(9)),
        (14.0, working(9)),
        (15.0, working(9)),
        (16.0, GOOD),  # its metrics do not answer for once
        (17.0, working(10)),
    ):
        judge.consider(look, now)
        seen.append(judge.condition)
        if judge.condition == "stalled" and look is not GOOD:
            assert judge.detail == "requests run, and no token was made for 10 s"
    assert seen == ["up", "up", "up", "stalled", "stalled", "up"]


def test_an_engine_without_work_is_not_stalled(judge: Judge) -> None:
    for now in (0.0, 100.0, 200.0):
        judge.consider(working(5, running=0), now)
        assert judge.condition == "up"


def supervised(state: str, restarts: int = 0) -> Look:
    runtime = RuntimeStatus(state=state, ready=state == "ready", restarts=restarts)
    return Look(Health(True, "status 200", 0.0), None, runtime)


def test_the_supervisor_is_believed_at_once() -> None:
    for state, condition in (
        ("draining", "draining"),
        ("starting", "starting"),
        ("restarting", "starting"),
        ("stalled", "stalled"),
        ("failed", "down"),
        ("stopped", "down"),
    ):
        judge = Judge(HealthPolicy())
        assert conditions(judge, supervised("ready"), supervised(state)) == ["up", condition]
        assert judge.detail == f"its supervisor says {state}"


def test_a_word_from_a_later_version_is_left_to_the_health_endpoint(judge: Judge) -> None:
    assert conditions(judge, supervised("ready"), supervised("pondering")) == ["up", "up"]


def test_restarts_are_counted_once(judge: Judge) -> None:
    conditions(judge, supervised("ready", 4), supervised("ready", 4))
    assert judge.restarts == 0
    conditions(judge, supervised("restarting", 5), supervised("ready", 7))
    assert judge.restarts == 3
    conditions(judge, supervised("ready", 0))  # the supervisor itself is a new one
    assert judge.restarts == 4


def test_without_a_supervisor_the_engine_tells_when_it_was_started(judge: Judge) -> None:
    def started(at: float | None) -> Look:
        return Look(Health(True, "status 200", 0.0), EngineMetrics(0, 0, 0, started_at=at))

    conditions(judge, started(100.0), started(100.0), started(None), started(100.0))
    assert judge.restarts == 0
    conditions(judge, started(200.0))
    assert judge.restarts == 1


def test_a_status_of_another_version_is_read_as_far_as_it_is_known() -> None:
    text = b"""{"state":"restarting","ready":false,"since":"2026-11-23T08:00:00Z","new":{"a":1},
        "restarts":2,"last_exit":{"reason":"cuda_out_of_memory","detail":"d","exit_code":0,
        "at":"2026-11-23T08:00:00Z","log_tail":[]}}"""
    status = RuntimeStatus.model_validate_json(text)
    assert (status.state, status.restarts) == ("restarting", 2)
    moment = datetime(2026, 11, 23, 8, tzinfo=UTC)
    assert status.last_exit == RuntimeExit(reason="cuda_out_of_memory", detail="d", at=moment)
