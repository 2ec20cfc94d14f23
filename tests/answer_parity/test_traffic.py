"""Pairs of users' requests: what is seen of them, and what is said of many."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from answer_parity.answers import Answer, ToolCall
from answer_parity.causes import Cause
from answer_parity.schema import fits
from answer_parity.shapes import PERSON_SCHEMA, WEATHER_TOOL
from answer_parity.traffic import ALARMS, CAUSES, Pair, TrafficJudge, pair_of, signals
from answer_parity.verdict import Standing

ASKS = {"messages": [{"role": "user", "content": "Hello"}]}
STRUCTURED = {
    **ASKS,
    "response_format": {"type": "json_schema", "json_schema": {"schema": PERSON_SCHEMA}},
}
TOOLS = {**ASKS, "tools": [WEATHER_TOOL]}
GOOD = Answer(200, prompt_tokens=9, text="Good day.", finish_reason="stop", choices=1)


def answer(**values: object) -> Answer:
    told: dict[str, object] = {"text": "Good day.", "finish_reason": "stop", "choices": 1}
    return Answer(200, **{**told, **values})  # type: ignore[arg-type]  # of many types


@pytest.mark.parametrize(
    ("request_", "given_", "expected"),
    [
        (ASKS, GOOD, set()),
        (ASKS, Answer(400), {"failed"}),
        (ASKS, answer(text=" "), {"empty"}),
        (ASKS, answer(text="ha " * 200), {"repetitive"}),
        (ASKS, answer(finish_reason="length"), {"cut at its limit"}),
        (STRUCTURED, answer(text='{"name": "Ada", "age": 36}'), set()),
        (STRUCTURED, answer(text='{"name": "Ada"}'), {"structured output broken"}),
        (STRUCTURED, answer(text="Ada, 36"), {"structured output broken"}),
        (STRUCTURED, answer(text='{"na', finish_reason="length"), {"cut at its limit"}),
        (TOOLS, answer(text='<tool_call>{"name": "x"}'), {"tool call in the text"}),
        (ASKS, answer(text='<tool_call>{"name": "x"}'), set()),
        (TOOLS, answer(text='<tool_call>{"na', finish_reason="length"), {"cut at its limit"}),
        (TOOLS, answer(text="", tool_calls=(ToolCall("get_weather", '{"city": "B"}'),)), set()),
        (
            TOOLS,
            answer(tool_calls=(ToolCall("get_weather", '{"city": 7}'),)),
            {"tool arguments broken"},
        ),
        (TOOLS, answer(tool_calls=(ToolCall("other", "{}"),)), {"tool arguments broken"}),
    ],
)
def test_what_is_unwanted_of_an_answer(
    request_: dict[str, object], given_: Answer, expected: set[str]
) -> None:
    assert signals(request_, given_) == expected


def test_what_the_request_alone_decides_is_compared() -> None:
    other = answer(prompt_tokens=10)
    assert pair_of(ASKS, GOOD, other, own=False).new == {"prompt tokens"}
    thinks = answer(reasoning="Hm", reasoning_field="reasoning_content")
    renamed = answer(reasoning="Hm", reasoning_field="reasoning")
    assert pair_of(ASKS, thinks, renamed, own=False).new == {"reasoning field"}
    assert not pair_of(ASKS, thinks, answer(), own=False).differs


SAME = Pair(False, frozenset(), frozenset())


def judged(*pairs: Pair) -> TrafficJudge:
    judge = TrafficJudge()
    for pair in pairs:
        judge.add(pair)
    return judge


def test_pairs_without_differences_are_equivalent_in_the_end() -> None:
    assert judged(*[SAME] * 50).standing is Standing.NOT_DECIDED
    assert judged(*[SAME] * 150).standing is Standing.EQUIVALENT
    assert "150 pairs" in judged(*[SAME] * 150).sentence()


@pytest.mark.parametrize("name", CAUSES)
def test_a_fault_in_every_pair_is_found_within_twenty(name: str) -> None:
    lengths = (9, 10) if name == "prompt tokens" else None
    judge = judged(*[Pair(False, frozenset(), frozenset({name}), lengths)] * 20)
    assert judge.standing is Standing.DIFFERENT
    assert judge.causes == (CAUSES[name],)
    assert "20 of 20 pairs" in judge.sentence()


def test_a_fault_in_a_fifth_of_the_pairs_is_found_within_two_hundred() -> None:
    faulty = Pair(False, frozenset(), frozenset({"tool call in the text"}))
    judge = judged(*[SAME, SAME, faulty, SAME, SAME] * 40)
    assert judge.standing is Standing.DIFFERENT
    assert judge.causes == (Cause.TOOL_PARSER,)


def test_what_the_old_engine_differs_in_from_itself_is_noise() -> None:
    crossed = Pair(False, frozenset(), frozenset({"prompt tokens"}), (9, 10))
    own = Pair(True, frozenset(), frozenset({"prompt tokens"}), (9, 10))
    assert judged(*[crossed, own] * 100).standing is not Standing.DIFFERENT


def test_sound_engines_are_called_different_as_seldom_as_promised() -> None:
    """Every signal happens on both sides with the same rate, and one looks after each pair."""
    chance = random.Random(3)
    alarms = 0
    for _ in range(200):
        judge = TrafficJudge()
        for _ in range(150):
            old, new = (
                frozenset(name for name in CAUSES if chance.random() < 0.1) for _ in range(2)
            )
            judge.add(Pair(False, old, new))
            if judge.standing is Standing.DIFFERENT:
                alarms += 1
                break
    assert alarms <= 200 * ALARMS + 4


def test_the_document_is_json() -> None:
    assert json.loads(json.dumps(judged(SAME).document()))["pairs"] == 1


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(_VALUES, _VALUES)
def test_no_schema_and_no_value_is_too_strange(value: object, schema: object) -> None:
    assert fits(value, schema) in (True, False)
    assert fits(value, {"enum": [value]})
    assert fits(value, {"anyOf": [{"type": "null"}, {}]})
    assert not fits(value, False)


def test_schemas_are_kept_to() -> None:
    assert fits({"name": "Ada", "age": 36}, PERSON_SCHEMA)
    assert not fits({"name": "Ada", "age": "36"}, PERSON_SCHEMA)
    assert not fits({"name": "Ada", "age": 36, "more": 1}, PERSON_SCHEMA)
    assert fits([1, 2], {"type": "array", "items": {"type": "integer"}})
    assert not fits([1, "2"], {"type": "array", "items": {"type": "integer"}})
    assert not fits(True, {"type": "integer"})
    assert fits(2.0, {"type": "integer"})
