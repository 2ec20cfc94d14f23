"""Which rule decided: read off the figures that are stored with a decision."""

from __future__ import annotations

import pytest

from rollout_trials.faults import EngineFault, Sabotage
from rollout_trials.rule import Rule, rates_of, rule_of, rules_of

OUTCOMES = ["success", "truncated", "client_abort", "success", "truncated", "upstream_error"]


def decision(*alarms: str, **words: str) -> dict[str, object]:
    signals = [
        {"signal": name, "word": word, "stable": {"rate": 0.01}, "candidate": {"rate": 0.2}}
        for name, word in words.items()
    ]
    return {"figures": {"alarms": list(alarms), "signals": signals}}


@pytest.mark.parametrize(
    ("signal", "rules"),
    [
        ("failed", ("truncation", "errors")),
        ("slow_response", ("slow first tokens",)),
        ("slow_pauses", ("slow pauses",)),
        ("rejected", ("another signal",)),
    ],
)
def test_a_signal_that_was_worse_is_the_rule(signal: str, rules: tuple[Rule, ...]) -> None:
    words = {"failed": "not worse", "slow_response": "inconclusive", "odd_output": "not measured"}
    decided = decision(**{**words, signal: "worse"})
    assert rules_of(decided, OUTCOMES) == rules
    assert rates_of(decided) == (0.01, 0.2)


def test_an_alarm_comes_before_all_signals() -> None:
    decided = decision("the engine is down", failed="worse")
    assert rules_of(decided, OUTCOMES) == ("hard trigger",)
    assert rates_of(decided) is None


def test_what_was_not_rolled_back_has_no_rule() -> None:
    assert rules_of(decision(failed="not worse", slow_pauses="not worse"), OUTCOMES) == ()
    assert rules_of({"figures": {"gates": {}}}, OUTCOMES) == ()
    assert rates_of({"figures": {}}) is None


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        (None, None),
        (Sabotage("in-band errors", 0.1), "in-band errors"),
        (Sabotage("slow first tokens", 1.0, 0.5), "slow first tokens"),
        ("stalled", "hard trigger"),
        ("out of memory", "hard trigger"),
    ],
)
def test_each_fault_has_its_rule(fault: Sabotage | EngineFault | None, rule: Rule | None) -> None:
    assert rule_of(fault) == rule
