"""Answers of real and of faulty engines to the same probe."""

from __future__ import annotations

import json
from typing import Any

import pytest

from answer_parity.answers import Answer, ToolCall, answer_of, document_of_stream
from answer_parity.causes import Cause
from answer_parity.probes import find_in_stream, logprob_mode, probes

PROBES = {probe.name: probe for probe in probes()}
CALL = ToolCall("get_weather", '{"city": "Bern"}')


def answer(text: str = "", **fields: Any) -> Answer:
    return Answer(200, text=text, choices=1, **{"finish_reason": "stop", **fields})


@pytest.mark.parametrize(
    ("probe", "old", "new", "cause"),
    [
        ("length", answer("a", finish_reason="length"), answer("a b c"), Cause.STOPPING),
        ("two choices", answer("a"), Answer(200, text="a", choices=2), Cause.FIELD),
        (
            "reasoning",
            answer("4", reasoning="2+2", reasoning_field="reasoning_content"),
            answer("4", reasoning="2+2", reasoning_field="reasoning"),
            Cause.REASONING_FIELD,
        ),
        (
            "named tool, strict",
            answer(tool_calls=(CALL,)),
            answer("It is 7 degrees."),
            Cause.TOOL_PARSER,
        ),
        (
            "required tool, strict",
            answer(tool_calls=(CALL,)),
            answer(tool_calls=(ToolCall("get_weather", '{"town": "Bern"}'),)),
            Cause.STRUCTURED_OUTPUT,
        ),
        (
            "tool if wanted",
            answer(tool_calls=(CALL,)),
            answer('<tool_call>{"name": "get_weather"}</tool_call>'),
            Cause.TOOL_PARSER,
        ),
        (
            "structured by guided_json",
            answer('{"name": "Ada", "age": 36}'),
            answer("Here is a person: Ada, 36."),
            Cause.STRUCTURED_OUTPUT,
        ),
        (
            "structured by guided_regex",
            answer("555-0199"),
            answer('{"name": "Ada", "age": "old"}'),
            Cause.STRUCTURED_OUTPUT,
        ),
        (
            "tool if wanted",
            answer("Hello"),
            Answer(400, refusal='"auto" tool choice requires --tool-call-parser to be set'),
            Cause.TOOL_PARSER,
        ),
        ("length", answer("a"), Answer(400, refusal="maximum context length is 8"), Cause.CONTEXT),
    ],
)
def test_a_fault_is_found_with_its_cause(
    probe: str, old: Answer, new: Answer, cause: Cause
) -> None:
    finding = PROBES[probe].find(old, new)
    assert finding is not None
    assert finding.cause is cause
    assert PROBES[probe].find(old, old) is None


def test_an_old_engine_that_cannot_shows_nothing() -> None:
    assert PROBES["named tool"].find(Answer(400, refusal="no tools"), answer("text")) is None
    assert PROBES["structured by guided_json"].find(answer("text"), answer("text")) is None


def test_a_call_that_is_cut_off_says_nothing() -> None:
    cut = Answer(200, text='<tool_call>{"na', finish_reason="length", choices=1)
    for name in ("named tool, strict", "required tool, strict", "tool if wanted"):
        assert PROBES[name].find(answer(tool_calls=(CALL,)), cut) is None
    kept_back = Answer(200, text="", finish_reason="length", choices=1)
    assert find_in_stream(PROBES["named tool, strict"], cut, kept_back) is None


def test_what_the_protocol_leaves_open_is_marked() -> None:
    open_ = {name for name, probe in PROBES.items() if not probe.promised}
    assert open_ == {"named tool", "required tool"}


def test_a_stream_has_to_be_the_whole_answer() -> None:
    probe = PROBES["length"]
    assert find_in_stream(probe, answer("a b"), answer("a b")) is None
    finding = find_in_stream(probe, answer("a b"), answer("a"))
    assert finding is not None
    assert finding.cause is Cause.STREAM


def test_logprobs_before_and_after_temperature() -> None:
    cool, raw = answer("x", logprobs=(-1.8,)), answer("x", logprobs=(-1.81,))
    assert logprob_mode(cool, raw) == "raw"
    assert logprob_mode(cool, answer("x", logprobs=(-2.9,))) == "processed"
    assert logprob_mode(cool, answer("y", logprobs=(-1.8,))) is None
    assert logprob_mode(answer("x", logprobs=(-0.001,)), answer("x", logprobs=(0.0,))) is None
    # With alternatives, it does not matter what was drawn.
    assert logprob_mode(answer("x", likeliest=-1.8), answer("y", likeliest=-1.8)) == "raw"
    assert logprob_mode(answer("x", likeliest=-0.9), answer("y", likeliest=-2.6)) == "processed"
    assert logprob_mode(answer("x", likeliest=-0.001), answer("y", likeliest=-0.1)) is None


def test_the_likeliest_token_is_read_from_alternatives() -> None:
    first = {"logprob": -3.0, "top_logprobs": [{"logprob": -0.5}, {"logprob": -3.0}]}
    choice = {"message": {"content": "x"}, "logprobs": {"content": [first]}}
    assert answer_of(200, {"choices": [choice]}).likeliest == -0.5
    choice["logprobs"] = {"content": [{"logprob": -3.0}]}
    assert answer_of(200, {"choices": [choice]}).likeliest is None


def test_a_stream_is_put_together_to_the_document_that_it_is() -> None:
    events: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
        {
            "choices": [
                {"index": 0, "delta": {"content": "He"}, "logprobs": {"content": [{"logprob": -1}]}}
            ]
        },
        {"choices": [{"index": 0, "delta": {"content": "llo"}}]},
        {
            "choices": [
                {
                    "index": 0,
                    "delta": {
                        "tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{"}}]
                    },
                }
            ]
        },
        {
            "choices": [
                {
                    "index": 0,
                    "delta": {"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]},
                    "finish_reason": "stop",
                }
            ]
        },
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
    ]
    whole = answer_of(200, document_of_stream(events))
    assert (whole.text, whole.tool_calls) == ("Hello", (ToolCall("f", "{}"),))
    assert (whole.prompt_tokens, whole.completion_tokens, whole.logprobs) == (3, 2, (-1.0,))
    assert whole.finish_reason == "stop"


def test_an_error_in_a_stream_is_no_answer() -> None:
    document = document_of_stream([{"choices": []}, {"error": {"message": "it died", "code": 500}}])
    told = answer_of(200, document)
    assert (told.ok, told.refusal) == (False, "it died")


@pytest.mark.parametrize(
    ("text", "repetitive"),
    [
        ("ha " * 200, True),
        ("The model says this again and again. " * 30, True),
        ("ha " * 10, False),
        (json.dumps({f"field{n}": n * 7919 % 1000 for n in range(60)}), False),
        ("".join(chr(0x4E00 + n * 37 % 4000) for n in range(300)), False),
    ],
)
def test_degenerate_repetition(text: str, repetitive: bool) -> None:
    assert answer(text).repetitive is repetitive


def test_fields_that_hold_something_are_known_by_name() -> None:
    message: dict[str, Any] = {"content": "x", "tool_calls": [], "reasoning": None}
    document = {
        "choices": [{"message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1},
    }
    assert answer_of(200, document).filled == {
        *("choices", "choices[].message", "choices[].message.content", "choices[].finish_reason"),
        *("usage", "usage.prompt_tokens"),
    }
