"""OpenAI's Responses as chats, and chats as responses."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from cpu_runtime.errors import RequestError, engine_unavailable
from cpu_runtime.inference.openai_responses.request import response_request
from cpu_runtime.inference.openai_responses.stream import ResponseStream, response_of

Document = dict[str, Any]

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = {"type": "function", "name": "weather", "parameters": SCHEMA, "strict": True}
SHELL = {"type": "custom", "name": "shell", "description": "Runs a line."}
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def test_items_become_turns_that_alternate() -> None:
    chat = response_request(
        {
            "instructions": "Be brief.",
            "input": [
                {"role": "developer", "content": "Be kind."},
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "a"}],
                },
                {"type": "reasoning", "summary": [], "content": [{"type": "x", "text": "hm"}]},
                {"role": "assistant", "content": [{"type": "output_text", "text": "b"}]},
                {"type": "function_call", "call_id": "1", "name": "weather", "arguments": "{}"},
                {"type": "custom_tool_call", "call_id": "2", "name": "shell", "input": "ls"},
                {"type": "function_call_output", "call_id": "1", "output": "sunny"},
                {
                    "type": "custom_tool_call_output",
                    "call_id": "2",
                    "output": [{"type": "input_text", "text": "file"}],
                },
                {"role": "system", "content": "c"},
                {"type": "web_search_call", "id": "x"},
            ],
        }
    ).chat

    system, user, assistant, first, second, last = chat["messages"]
    assert system == {"role": "system", "content": "Be brief.\n\nBe kind."}
    assert user == {"role": "user", "content": "a"}
    assert (assistant["content"], assistant["reasoning_content"]) == ("b", "hm")
    assert [call["function"] for call in assistant["tool_calls"]] == [
        {"name": "weather", "arguments": "{}"},
        {"name": "shell", "arguments": '{"input": "ls"}'},
    ]
    assert [first["content"], second["content"]] == ["sunny", "file"]
    assert last == {"role": "user", "content": "c"}


def test_fields_go_over_under_the_names_of_a_chat() -> None:
    chat = response_request(
        {
            "model": "small",
            "input": "Hello.",
            "max_output_tokens": 5,
            "top_logprobs": 2,
            "reasoning": {"effort": "low"},
            "store": True,
            "include": ["reasoning.encrypted_content"],
            "text": {"format": {"type": "json_schema", "name": "x", "schema": SCHEMA}},
        }
    ).chat

    assert (chat["max_tokens"], chat["logprobs"], chat["top_logprobs"]) == (5, True, 2)
    assert chat["response_format"]["json_schema"]["schema"] == SCHEMA
    assert not {"tool_choice", "tools", "store", "include", "reasoning"} & set(chat)


def test_tools_of_the_client_s_own_are_functions() -> None:
    request = response_request(
        {
            "input": "a",
            "tools": [WEATHER, SHELL, {"type": "web_search"}],
            "tool_choice": {"type": "custom", "name": "shell"},
        }
    )

    names = [each["function"]["name"] for each in request.chat["tools"]]
    assert names == ["weather", "shell"]
    assert request.free_form == {"shell"}
    assert request.chat["tool_choice"] == {"type": "function", "function": {"name": "shell"}}
    assert len(request.asked["tools"]) == 3


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a"]}, "input[0]"),
        ({"input": [{"role": "robot", "content": "a"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
            "input[0].content[0].type",
        ),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type"),
        ({"input": [{"type": "function_call", "call_id": "x"}]}, "input[0].name"),
        ({"input": [{"type": "function_call_output", "call_id": "x"}]}, "input[0].output"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"instructions": ["a"]}, "instructions"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{**WEATHER, "parameters": 5}]}, "tools[0].parameters"),
        ({"tools": [WEATHER], "tool_choice": {"type": "web_search"}}, "tool_choice"),
        ({"text": "x"}, "text"),
        ({"text": {"format": {"type": "x"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
    ],
)
def test_what_is_wrong_is_named(fields: Document, param: str) -> None:
    body = {"input": "a", **fields}

    with pytest.raises(RequestError) as refused:
        response_request({name: value for name, value in body.items() if value is not None})
    assert (refused.value.status, refused.value.param) == (400, param)


def chunk(reason: str | None = None, **delta: Any) -> Document:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def begin(name: str, index: int = 0) -> Document:
    return {"index": index, "id": f"c{index}", "function": {"name": name, "arguments": ""}}


def more(arguments: str, index: int = 0) -> Document:
    return {"index": index, "function": {"arguments": arguments}}


async def streamed(chunks: Sequence[Document]) -> list[Document]:
    async def given() -> AsyncIterator[Document]:
        for each in [*chunks, {"choices": [], "usage": USAGE}]:
            yield each

    stream = ResponseStream(response_request({"input": "a", "tools": [WEATHER, SHELL]}), "small")
    told: list[Document] = []
    async for event in stream.events(given()):
        name, data, _, _ = event.decode().split("\n")
        told.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {told[-1]['type']}"
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    return told


async def test_a_stream_completes_each_item_in_turn() -> None:
    told = await streamed(
        [
            chunk(role="assistant", content=""),
            chunk(reasoning_content="hm"),
            chunk(content="a"),
            chunk(content="b"),
            chunk(tool_calls=[begin("weather")]),
            chunk(tool_calls=[more('{"city": '), more('"X"}')]),
            chunk(tool_calls=[begin("shell", 1)]),
            chunk(tool_calls=[more('{"input": "ls"}', 1)]),
            chunk("tool_calls"),
        ]
    )

    assert [event["type"].removeprefix("response.") for event in told] == [
        *("created", "in_progress"),
        *("output_item.added", "content_part.added", "reasoning_text.delta"),
        *("reasoning_text.done", "content_part.done", "output_item.done"),
        *("output_item.added", "content_part.added", "output_text.delta", "output_text.delta"),
        *("output_text.done", "content_part.done", "output_item.done"),
        *("output_item.added", "function_call_arguments.delta", "function_call_arguments.delta"),
        *("function_call_arguments.done", "output_item.done"),
        *("output_item.added", "custom_tool_call_input.delta", "custom_tool_call_input.done"),
        *("output_item.done", "completed"),
    ]
    output = told[-1]["response"]["output"]
    assert [item["type"] for item in output] == [
        *("reasoning", "message", "function_call", "custom_tool_call")
    ]
    assert output[1]["content"][0]["text"] == "ab"
    assert (output[2]["arguments"], output[3]["input"]) == ('{"city": "X"}', "ls")
    assert {item["status"] for item in output} == {"completed"}
    added = [event for event in told if event["type"] == "response.output_item.added"]
    assert [event["output_index"] for event in added] == [0, 1, 2, 3]
    assert [event["item"]["id"] for event in added] == [item["id"] for item in output]
    assert added[2]["item"]["arguments"] == ""
    assert told[-1]["response"]["usage"]["input_tokens"] == 7


async def test_a_response_that_is_cut_is_incomplete() -> None:
    told = await streamed([chunk(content="a"), chunk("length")])

    assert told[-1]["type"] == "response.incomplete"
    assert told[-1]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert told[-1]["response"]["output"][0]["status"] == "incomplete"


def test_a_stream_that_breaks_off_fails() -> None:
    stream = ResponseStream(response_request({"input": "a"}), "small")
    data = stream.failure(engine_unavailable("small")).decode().split("data: ")[1]

    assert json.loads(data)["type"] == "response.failed"
    assert json.loads(data)["response"]["error"]["code"] == "server_error"


def test_a_whole_response() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "shell", "arguments": '{"input": '}}
    message = {"content": None, "tool_calls": [call]}
    request = response_request({"input": "a", "tools": [SHELL], "metadata": {"a": "b"}})
    choice = {"message": message, "finish_reason": "length"}
    told = json.loads(response_of({"choices": [choice], "usage": USAGE}, request, "small"))

    assert (told["status"], told["metadata"], told["model"]) == ("incomplete", {"a": "b"}, "small")
    assert told["output"][0]["input"] == '{"input": '  # what there is of it
