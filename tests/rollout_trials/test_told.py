"""What a trial amounts to, in words and in the table."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from rollout_trials.cli import alone
from rollout_trials.demo import TRIALS, summary, told
from rollout_trials.errors import TrialError
from rollout_trials.faults import Sabotage
from rollout_trials.matrix import promise, trials
from rollout_trials.trial import Result, Trial

HEALTHY = Result(
    trial=TRIALS[-1],
    end="promoted",
    sentence="Promoted: everything goes to the candidate.",
    seconds=31.2,
    requests=240,
    answers=500,
    faults={},
    unexplained=0,
    flip_seconds=0.21,
    rules=(),
    rates=None,
)
FAULTY = replace(
    HEALTHY,
    trial=Trial("5% errors", {}, Sabotage("errors", 0.05)),
    end="rolled_back",
    faults={"status 500": 11},
    rules=("errors",),
    rates=(0.0, 0.05),
)


def said(result: Result) -> str:
    return " ".join(str(line) for line in told(result))


def test_what_happened_is_told_in_words() -> None:
    words = said(HEALTHY)
    assert "Promoted 31.2 s after the start." in words
    assert "answered 240 requests by then" in words
    assert "0.21 s after the decision" in words
    assert "Users saw no error" in words
    words = said(FAULTY)
    assert "Rolled back" in words
    assert "11 x status 500" in words
    assert "All of them came from the faulty stack" in words


def test_an_error_that_the_fault_does_not_explain_is_a_failure() -> None:
    strange = replace(FAULTY, unexplained=1)
    assert "1 of those errors did not come of the fault" in said(strange)
    assert [each.right for each in (HEALTHY, FAULTY, strange)] == [True, True, False]


def test_only_the_end_that_the_fault_demands_is_right() -> None:
    assert not replace(HEALTHY, end="rolled_back", rules=("slow pauses",)).right
    assert not replace(FAULTY, end="promoted", rules=()).right
    assert not replace(FAULTY, end="aborted", rules=()).right


def test_a_rollback_by_another_rule_than_the_faults_is_not_right() -> None:
    assert not replace(FAULTY, rules=("slow pauses",)).right
    assert not replace(FAULTY, rules=("truncation",)).right
    assert replace(FAULTY, rules=("errors", "slow pauses")).right
    killed = replace(FAULTY, trial=Trial("killed", {}, "killed"))
    assert not killed.right
    assert replace(killed, rules=("hard trigger",)).right


def test_the_summary_has_a_line_for_each() -> None:
    out = io.StringIO()
    Console(file=out, width=120).print(summary([HEALTHY, FAULTY]))
    assert "a healthy new stack" in out.getvalue()
    assert "rolled back: errors" in out.getvalue()


def test_the_promise_is_the_simulations_for_the_rates_that_there_were() -> None:
    median, most = (int(part) for part in promise(FAULTY).split(" / "))
    assert 50 <= median <= most < 2_000
    assert promise(replace(FAULTY, rates=None)) == "5 s"
    assert promise(HEALTHY) == "-"


def test_what_only_a_supervisor_can_report_is_tried_where_there_is_one() -> None:
    without, with_one = (
        {each.title for each in trials(0.1, supervised=supervised)} for supervised in (False, True)
    )
    assert with_one - without == {"out of memory, reported"}
    assert "healthy" in without


def test_a_folder_has_one_run_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with (
        alone(folder),
        pytest.raises(TrialError, match="another run uses"),
        alone(folder),
    ):
        pass
    with alone(folder):
        pass
