"""Calls of tools by the real model: what it says may be foolish, the protocol is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from e2e_testing.cpu_engine import CpuEngine

CHAT = "smollm2-135m-instruct"
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "maxLength": 20}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
TIME = {
    "type": "function",
    "function": {
        "name": "get_time",
        "parameters": {
            "type": "object",
            "properties": {"zone": {"$ref": "#/$defs/zone"}},
            "required": ["zone"],
            "$defs": {"zone": {"enum": ["UTC", "CET"]}},
        },
    },
}
QUESTION = {
    "model": CHAT,
    "messages": [{"role": "user", "content": "What is the weather in Paris?"}],
    "tools": [WEATHER, TIME],
    "temperature": 0,
    "max_tokens": 120,
}
HABIT = [
    {"role": "user", "content": "What is the weather in Rome?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "get_weather", "arguments": '{"city": "Rome"}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    {"role": "assistant", "content": "It is sunny in Rome."},
    {"role": "user", "content": "What is the weather in Paris?"},
]
"""After which even this model calls by itself."""


def _tool(
    name: str, description: str, properties: dict[str, Any], required: list[str]
) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": required}
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


def _post(engine: CpuEngine, **fields: Any) -> dict[str, Any]:
    answer = engine.client.post("/v1/chat/completions", json={**QUESTION, **fields})
    assert answer.status_code == 200, answer.text
    choice: dict[str, Any] = answer.json()["choices"][0]
    return choice


def _streamed(engine: CpuEngine, **fields: Any) -> tuple[list[dict[str, Any]], str]:
    """Put calls together as a client does, and return them with the reason of the end."""
    body = {**QUESTION, "stream": True, **fields}
    calls: list[dict[str, Any]] = []
    reason = ""
    with engine.client.stream("POST", "/v1/chat/completions", json=body) as answer:
        for line in answer.iter_lines():
            data = line.removeprefix("data: ")
            if not data or data == "[DONE]":
                continue
            choice = json.loads(data)["choices"][0]
            reason = choice["finish_reason"] or reason
            for delta in choice["delta"].get("tool_calls", ()):
                if delta["index"] == len(calls):
                    assert delta["id"]
                    calls.append({"name": delta["function"]["name"], "arguments": ""})
                calls[delta["index"]]["arguments"] += delta["function"].get("arguments", "")
    return calls, reason


def test_a_named_tool_is_called_once(engine: CpuEngine) -> None:
    named = {"type": "function", "function": {"name": "get_time"}}
    choice = _post(engine, tool_choice=named)

    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    (call,) = choice["message"]["tool_calls"]
    assert call["function"]["name"] == "get_time"
    assert json.loads(call["function"]["arguments"])["zone"] in ("UTC", "CET")
    calls, reason = _streamed(engine, tool_choice=named)
    assert (calls, reason) == ([call["function"]], "tool_calls")


def test_a_required_call_is_made(engine: CpuEngine) -> None:
    calls, reason = _streamed(engine, tool_choice="required", parallel_tool_calls=False)

    assert reason == "tool_calls"
    (call,) = calls
    assert call["name"] in ("get_weather", "get_time")
    assert json.loads(call["arguments"])


def test_required_calls_may_be_several(engine: CpuEngine) -> None:
    # With these words, this model goes on after its first call.
    days = {"city": {"type": "string"}, "days": {"type": "integer"}}
    zone = {"zone": {"type": "string", "enum": ["UTC", "CET"]}}
    tools = [
        _tool("get_weather", "Weather of a city", days, ["city"]),
        _tool("get_time", "Time in a city", zone, ["zone"]),
    ]
    tools[0]["function"]["parameters"]["additionalProperties"] = False
    calls, _ = _streamed(engine, tools=tools, tool_choice="required", max_tokens=200)

    assert len(calls) > 1
    assert all(json.loads(call["arguments"]) for call in calls[:-1])


def test_a_call_of_the_model_s_own_accord(engine: CpuEngine) -> None:
    choice = _post(engine, messages=HABIT)

    (call,) = choice["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris"}
    assert choice["finish_reason"] == "tool_calls"
    calls, reason = _streamed(engine, messages=HABIT)
    assert reason == "tool_calls"
    assert [json.loads(each["arguments"]) for each in calls] == [{"city": "Paris"}]


def test_a_result_is_gone_on_from(engine: CpuEngine) -> None:
    choice = _post(engine, messages=HABIT[:3])

    assert "sunny" in choice["message"]["content"]
    assert choice["finish_reason"] == "stop"


def test_a_structured_response_comes_where_no_tool_is_called(engine: CpuEngine) -> None:
    schema = {"type": "object", "properties": {"hot": {"type": "boolean"}}, "required": ["hot"]}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    message = _post(engine, response_format=form)["message"]

    calls = message.get("tool_calls")
    assert calls or isinstance(json.loads(message["content"])["hot"], bool)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{**WEATHER, "type": "banana"}]}, "tools[0].type"),
        ({"tool_choice": {"type": "function", "function": {"name": "no"}}}, "tool_choice"),
        (
            {
                "tools": [
                    {
                        "type": "function",
                        "function": {
                            "name": "f",
                            "parameters": {"properties": {"a": {"type": "banana"}}},
                        },
                    }
                ],
                "tool_choice": "required",
            },
            "tools[0]",
        ),
        (
            {
                "tools": [],
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "x", "schema": {"$ref": "#/$defs/nowhere"}},
                },
            },
            "response_format",
        ),
    ],
)
def test_a_wrong_tool_or_schema_is_the_caller_s(
    engine: CpuEngine, fields: dict[str, Any], param: str
) -> None:
    answer = engine.client.post("/v1/chat/completions", json={**QUESTION, **fields})

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_several_responses_share_their_prompt(engine: CpuEngine) -> None:
    body = {**QUESTION, "tools": [], "n": 3, "max_tokens": 4, "temperature": 1, "seed": 7}
    answer = engine.client.post("/v1/chat/completions", json=body).json()

    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    assert len({choice["message"]["content"] for choice in answer["choices"]}) > 1
    assert answer["usage"]["completion_tokens"] <= 12
    assert answer["usage"]["prompt_tokens"] < 30
