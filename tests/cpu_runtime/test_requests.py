"""What a request may say: a mistake is named by its field, what is right goes on unchanged."""

from __future__ import annotations

from typing import Any

import pytest

from cpu_runtime.errors import RequestError
from cpu_runtime.inference import chat as chats
from cpu_runtime.inference.completions import completion
from cpu_runtime.inference.generation import Generation

HELLO = [{"role": "user", "content": "Hello."}]


def chat(body: dict[str, Any]) -> Generation:
    return chats.chat(body, template_has_tools=True)


def test_a_chat_goes_on_as_it_came() -> None:
    request = chat({"messages": HELLO, "temperature": 0.7, "top_p": 0.9, "unknown": 1})

    assert request.path == "/v1/chat/completions"
    sent = {"messages": HELLO, "temperature": 0.7, "top_p": 0.9, "unknown": 1}
    assert request.body.items() >= sent.items()
    assert not request.stream
    assert request.body["stream"], "so that tokens are counted as they come"


def test_a_stream_s_usage_is_always_asked_for_and_shown_to_those_who_want_it() -> None:
    quiet = chat({"messages": HELLO, "stream": True})
    curious = chat({"messages": HELLO, "stream": True, "stream_options": {"include_usage": True}})

    assert quiet.body["stream_options"] == curious.body["stream_options"]
    assert (quiet.include_usage, curious.include_usage) == (False, True)


def test_who_wants_the_same_answer_twice_gets_no_cache() -> None:
    assert chat({"messages": HELLO, "temperature": 0}).body["cache_prompt"] is False
    assert chat({"messages": HELLO, "seed": -1}).body["seed"] == 2**32 - 2


def test_several_responses_to_one_prompt_differ_by_their_seeds() -> None:
    request = chat({"messages": HELLO, "n": 2, "seed": 2**32 - 2})

    assert request.choices == 2
    assert "n" not in request.body
    assert [request.body_of(choice)["seed"] for choice in (0, 1)] == [2**32 - 2, 0]


def test_a_structured_response_is_an_object() -> None:
    request = chat({"messages": HELLO, "response_format": {"type": "json_object"}})

    assert request.body["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert (
        "response_format" not in chat({"messages": HELLO, "response_format": {"type": "text"}}).body
    )


def test_the_new_name_of_max_tokens_is_the_engine_s_old_one() -> None:
    body = chat({"messages": HELLO, "max_completion_tokens": 5}).body

    assert body["max_tokens"] == 5
    assert "max_completion_tokens" not in body


def test_developers_speak_as_the_system() -> None:
    request = chat({"messages": [{"role": "developer", "content": "Be brief."}, *HELLO]})

    assert request.body["messages"][0] == {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": ["Hello."]}, "messages[0]"),
        ({"messages": [{"role": "robot", "content": "Hello."}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content[0]",
        ),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"temperature": "warm"}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"n": 0}, "n"),
        ({"n": 17}, "n"),
        ({"n": True}, "n"),
        ({"seed": "x"}, "seed"),
        ({"stop": [""]}, "stop"),
        ({"stop": ["a"] * 17}, "stop"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": 5}}},
            "response_format.json_schema.schema",
        ),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"n_predict": 5}, "n_predict"),
    ],
)
def test_a_wrong_field_of_a_chat_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as refused:
        chat({"messages": HELLO, **fields})

    assert refused.value.status == 400
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("prompt", "taken"),
    [("Once", "Once"), (["Once"], "Once"), ([1, 2], [1, 2]), ([[1, 2]], [1, 2])],
)
def test_a_prompt_has_four_forms(prompt: object, taken: object) -> None:
    assert completion({"prompt": prompt}).body["prompt"] == taken


@pytest.mark.parametrize("prompt", ["", [], ["a", "b"], [""], [True], {}, 5, [[]]])
def test_no_other_form_is_a_prompt(prompt: object) -> None:
    with pytest.raises(RequestError) as refused:
        completion({"prompt": prompt})

    assert refused.value.param == "prompt"


def test_what_is_not_offered_is_refused_unless_it_asks_for_nothing() -> None:
    assert "best_of" not in completion({"prompt": "a", "best_of": 1, "echo": False}).body
    with pytest.raises(RequestError, match="best_of"):
        completion({"prompt": "a", "best_of": 3})


NULLS: list[dict[str, Any]] = [
    {"name": None},
    {"reasoning_content": None},
    {"tool_call_id": None},
    {"refusal": None, "audio": None},
    {"tool_calls": None},
    {"tool_calls": [{"id": None, "type": "function", "function": None}]},
]


@pytest.mark.parametrize("nulls", NULLS)
@pytest.mark.parametrize("role", ["user", "assistant"])
def test_a_null_in_a_message_is_as_if_it_were_left_out(role: str, nulls: dict[str, Any]) -> None:
    message = {"role": role, "content": "Hello."}
    assert chat({"messages": [{**message, **nulls}]}).body["messages"] == [message]


def test_a_null_among_the_options_of_a_stream_is_as_if_it_were_left_out() -> None:
    options = {"include_usage": None}
    request = chat({"messages": HELLO, "stream": True, "stream_options": options})
    assert not request.include_usage


def test_a_tool_call_is_complete_without_its_nulls() -> None:
    call = {"id": None, "function": {"name": "f", "arguments": None}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    [sent] = chat({"messages": [message]}).body["messages"]
    assert sent["tool_calls"] == [
        {"type": "function", "function": {"name": "f", "arguments": "{}"}}
    ]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"name": 5}, "messages[0].name"),
        ({"tool_call_id": []}, "messages[0].tool_call_id"),
        ({"reasoning_content": {}}, "messages[0].reasoning_content"),
        ({"tool_calls": "x"}, "messages[0].tool_calls"),
        ({"tool_calls": ["x"]}, "messages[0].tool_calls[0]"),
        ({"tool_calls": [{"id": 5}]}, "messages[0].tool_calls[0].id"),
        ({"tool_calls": [{"function": "f"}]}, "messages[0].tool_calls[0].function"),
        ({"tool_calls": [{"function": {}}]}, "messages[0].tool_calls[0].function.name"),
        (
            {"tool_calls": [{"function": {"name": "f", "arguments": {}}}]},
            "messages[0].tool_calls[0].function.arguments",
        ),
    ],
)
def test_a_wrong_type_in_a_message_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as refused:
        chat({"messages": [{"role": "user", "content": "Hello.", **fields}]})
    assert (refused.value.status, refused.value.param) == (400, param)
    assert param in refused.value.message
