"""Anthropic's Messages as chats, and chats as Anthropic's messages."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from cpu_runtime.errors import RequestError, beyond_context, overloaded
from cpu_runtime.inference.anthropic.errors import body_of
from cpu_runtime.inference.anthropic.request import chat_of
from cpu_runtime.inference.anthropic.response import message_of
from cpu_runtime.inference.anthropic.stream import events

Document = dict[str, Any]

HELLO = [{"role": "user", "content": "Hello."}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = {"name": "weather", "description": "Tells it.", "input_schema": SCHEMA}
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def test_a_conversation_becomes_turns_that_alternate() -> None:
    chat = chat_of(
        {
            "max_tokens": 5,
            "system": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}],
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "a"}]},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "hm", "signature": "x"},
                        {"type": "text", "text": "b"},
                        {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "X"}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "t1", "content": "sunny"},
                        {"type": "text", "text": "c"},
                    ],
                },
                {"role": "system", "content": "d"},
            ],
        }
    )

    system, first, called, result, last = chat["messages"]
    assert system == {"role": "system", "content": "Be brief.\n\nBe kind."}
    assert first == {"role": "user", "content": "a"}
    assert (called["content"], called["reasoning_content"]) == ("b", "hm")
    assert called["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city": "X"}'}
    assert result == {"role": "tool", "tool_call_id": "t1", "content": "sunny"}
    assert last == {"role": "user", "content": "c\n\nd"}


def test_fields_go_over_under_the_names_of_a_chat() -> None:
    chat = chat_of(
        {
            "model": "small",
            "max_tokens": 5,
            "messages": HELLO,
            "stop_sequences": ["x"],
            "temperature": 0.5,
            "stream": True,
            "metadata": {"user_id": "u"},
            "thinking": {"type": "adaptive"},
            "output_config": {
                "effort": "high",
                "format": {"type": "json_schema", "schema": SCHEMA},
            },
        }
    )

    assert chat["stop"] == ["x"]
    assert (chat["max_tokens"], chat["temperature"], chat["stream"]) == (5, 0.5, True)
    assert chat["response_format"]["json_schema"]["schema"] == SCHEMA
    assert not {"metadata", "thinking", "output_config", "tools"} & set(chat)


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ({"type": "auto"}, "auto"),
        ({"type": "any"}, "required"),
        ({"type": "none"}, "none"),
        (
            {"type": "tool", "name": "weather"},
            {"type": "function", "function": {"name": "weather"}},
        ),
    ],
)
def test_choices_of_tools(choice: Document, sent: object) -> None:
    chat = chat_of(
        {
            "max_tokens": 5,
            "messages": HELLO,
            "tools": [WEATHER, {"type": "web_search_20250305", "name": "web_search"}],
            "tool_choice": {**choice, "disable_parallel_tool_use": True},
        }
    )

    (tool,) = chat["tools"]
    assert tool["function"] == {
        "name": "weather",
        "description": "Tells it.",
        "parameters": SCHEMA,
    }
    assert (chat["tool_choice"], chat["parallel_tool_calls"]) == (sent, False)


def in_user(block: object) -> list[Document]:
    return [{"role": "user", "content": [block]}]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"temperature": 1.5}, "temperature"),
        ({"messages": []}, "messages"),
        ({"messages": ["a"]}, "messages[0]"),
        ({"messages": [{"role": "robot", "content": "a"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": in_user({"type": "image"})}, "messages[0].content[0].type"),
        ({"messages": in_user({"type": "text"})}, "messages[0].content[0].text"),
        (
            {"messages": in_user({"type": "tool_use", "id": "a", "name": "b", "input": {}})},
            "messages[0].content[0].type",
        ),
        (
            {"messages": in_user({"type": "tool_result"})},
            "messages[0].content[0].tool_use_id",
        ),
        (
            {
                "messages": in_user(
                    {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "image"}]}
                )
            },
            "messages[0].content[0].content[0].type",
        ),
        ({"system": 5}, "system"),
        ({"stop_sequences": "x"}, "stop_sequences"),
        ({"tools": "x"}, "tools"),
        ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
        ({"tools": [WEATHER], "tool_choice": "any"}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": {"type": "x"}}, "tool_choice.type"),
        ({"tools": [WEATHER], "tool_choice": {"type": "tool", "name": "x"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"output_config": {"format": {"type": "x"}}}, "output_config.format"),
    ],
)
def test_what_is_wrong_is_named(fields: Document, param: str) -> None:
    body = {"max_tokens": 5, "messages": HELLO, **fields}

    with pytest.raises(RequestError) as refused:
        chat_of({name: value for name, value in body.items() if value is not None})
    assert (refused.value.status, refused.value.param) == (400, param)


def test_tokens_are_counted_without_a_limit_of_the_response() -> None:
    assert chat_of({"messages": HELLO}, counts_only=True)["messages"] == HELLO


def test_a_whole_message() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    message = {"reasoning_content": "hm", "content": "a", "tool_calls": [call]}
    choice = {"message": message, "finish_reason": "tool_calls"}
    told = json.loads(message_of({"model": "small", "choices": [choice], "usage": USAGE}))

    assert [block["type"] for block in told["content"]] == ["thinking", "text", "tool_use"]
    assert told["content"][2]["input"] == {"a": 1}
    assert (told["stop_reason"], told["stop_sequence"]) == ("tool_use", None)
    assert (told["usage"]["input_tokens"], told["usage"]["output_tokens"]) == (7, 3)


@pytest.mark.parametrize(
    ("finish", "verbose", "told"),
    [
        ("stop", None, ("end_turn", None)),
        ("stop", {"stopping_word": ""}, ("end_turn", None)),
        ("stop", {"stopping_word": "x"}, ("stop_sequence", "x")),
        ("length", None, ("max_tokens", None)),
    ],
)
def test_the_reason_of_an_end(
    finish: str, verbose: Document | None, told: tuple[str, str | None]
) -> None:
    choice = {"message": {"content": "a"}, "finish_reason": finish}
    document = {"model": "small", "choices": [choice], "usage": USAGE, "__verbose": verbose}
    message = json.loads(message_of(document))

    assert (message["stop_reason"], message["stop_sequence"]) == told


def chunk(reason: str | None = None, **delta: Any) -> Document:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


async def streamed(chunks: Sequence[Document]) -> list[Document]:
    async def given() -> AsyncIterator[Document]:
        for each in chunks:
            yield each

    told: list[Document] = []
    async for event in events(given(), "small"):
        name, data, _, _ = event.decode().split("\n")
        told.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {told[-1]['type']}"
    return told


async def test_a_stream_opens_and_closes_each_block_in_turn() -> None:
    progress = {**chunk(role="assistant", content=""), "prompt_progress": {"total": 7}}
    begin = {"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}
    more = {"index": 0, "function": {"arguments": '{"a": 1}'}}
    told = await streamed(
        [
            progress,
            chunk(reasoning_content="hm"),
            chunk(content="a"),
            chunk(content="b"),
            chunk(tool_calls=[begin]),
            chunk(tool_calls=[more]),
            chunk("tool_calls"),
            {"choices": [], "usage": USAGE},
        ]
    )

    assert [event["type"].removeprefix("content_block_") for event in told] == [
        *("message_start", "ping"),
        *("start", "delta", "stop"),
        *("start", "delta", "delta", "stop"),
        *("start", "delta", "stop"),
        *("message_delta", "message_stop"),
    ]
    assert told[0]["message"]["usage"]["input_tokens"] == 7
    blocks = [event["content_block"] for event in told if event["type"].endswith("block_start")]
    assert [block["type"] for block in blocks] == ["thinking", "text", "tool_use"]
    assert blocks[2]["input"] == {}
    indexes = [event["index"] for event in told if "index" in event]
    assert indexes == [0, 0, 0, 1, 1, 1, 1, 2, 2, 2]
    assert told[-2]["delta"]["stop_reason"] == "tool_use"
    assert told[-2]["usage"]["output_tokens"] == 3


async def test_a_stream_without_anything_is_whole() -> None:
    told = await streamed([chunk(role="assistant"), chunk("stop"), {"choices": [], "usage": USAGE}])

    assert [event["type"] for event in told] == ["message_start", "message_delta", "message_stop"]


def test_errors_are_in_anthropic_s_form() -> None:
    told = json.loads(body_of(beyond_context(9000, 8192)))
    assert told["type"] == "error"
    assert told["error"] == {
        "type": "invalid_request_error",
        "message": "prompt is too long: 9000 tokens > 8192 maximum",
    }
    assert json.loads(body_of(overloaded("small", 9)))["error"]["type"] == "rate_limit_error"
