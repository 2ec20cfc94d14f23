"""Tools of a chat: what a request may say of them, and what the engine is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from cpu_runtime.errors import RequestError
from cpu_runtime.inference.chat import chat
from cpu_runtime.inference.generation import Generation

HELLO = [{"role": "user", "content": "Hello."}]
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def tool(name: str, parameters: Any = CITY) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def request(*, template_has_tools: bool = True, **fields: Any) -> Generation:
    body = {"messages": HELLO, "tools": [tool("weather"), tool("time")], **fields}
    return chat(body, template_has_tools=template_has_tools)


def schema(request: Generation) -> Any:
    return request.body["response_format"]["json_schema"]["schema"]


def names(request: Generation) -> list[str]:
    return [each["function"]["name"] for each in request.body["tools"]]


def test_a_template_that_knows_tools_is_left_to_decide() -> None:
    auto = request()

    assert names(auto) == ["weather", "time"]
    assert (auto.body["parallel_tool_calls"], auto.holds_calls) == (True, False)
    assert not {"tool_choice", "response_format"} & set(auto.body)


def test_required_calls_are_held_by_a_schema() -> None:
    held = request(tool_choice="required")

    assert held.holds_calls
    assert names(held) == ["weather", "time"]
    calls = schema(held)["items"]["anyOf"]
    assert [call["properties"]["name"] for call in calls] == [
        {"const": "weather"},
        {"const": "time"},
    ]
    assert schema(held)["maxItems"] > 1
    one = request(tool_choice="required", parallel_tool_calls=False)
    assert schema(one)["maxItems"] == 1


@pytest.mark.parametrize(
    "choice",
    [
        {"type": "function", "function": {"name": "time"}},
        {
            "type": "allowed_tools",
            "allowed_tools": {
                "mode": "required",
                "tools": [{"type": "function", "function": {"name": "time"}}],
            },
        },
    ],
)
def test_a_named_tool_is_the_only_one(choice: dict[str, Any]) -> None:
    named = request(tool_choice=choice)

    assert names(named) == ["time"]
    assert schema(named)["items"]["properties"]["name"] == {"const": "time"}


def test_no_tool_is_shown_to_who_may_call_none() -> None:
    assert "tools" not in request(tool_choice="none").body
    assert "tools" not in request(tools=[]).body


def test_a_structured_response_is_what_comes_instead_of_calls() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY}}
    either = request(response_format=form)

    assert either.holds_calls
    response, calls = schema(either)["anyOf"]
    assert schema(either)["$defs"]["response"] == CITY
    assert (response, calls["type"]) == ({"$ref": "#/$defs/response"}, "array")


def test_references_within_a_schema_stay_within_it() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#"}, "x": {"$ref": "#/$defs/x"}}}
    held = request(
        tools=[tool("walk", {**node, "$defs": {"x": {"type": "string"}}})], tool_choice="required"
    )

    assert schema(held)["$defs"]["tool_0"]["properties"] == {
        "next": {"$ref": "#/$defs/tool_0"},
        "x": {"$ref": "#/$defs/tool_0/$defs/x"},
    }


def test_a_template_without_tools_is_told_in_words() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "time", "arguments": "{}"}}
    history = [
        {"role": "system", "content": "Be brief."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "noon"},
    ]
    told = request(messages=history, template_has_tools=False)

    system, called, result = told.body["messages"]
    assert system["content"].startswith("Be brief.\n\n")
    assert '"name": "weather"' in system["content"]
    assert called == {"role": "assistant", "content": '[{"name": "time", "arguments": {}}]'}
    assert result == {"role": "user", "content": "Result of the tool:\nnoon"}
    assert "tools" not in told.body
    assert schema(told)["$defs"]["response"] == {"type": "string"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": "weather"}, "tools"),
        ({"tools": [tool("f")] * 129}, "tools"),
        ({"tools": ["weather"]}, "tools[0]"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [tool("two words")]}, "tools[0].function.name"),
        ({"tools": [tool("")]}, "tools[0].function.name"),
        ({"tools": [tool("f"), tool("f")]}, "tools[1].function.name"),
        ({"tools": [tool("f", [])]}, "tools[0].function.parameters"),
        ({"tools": [tool("f", {"type": "string"})]}, "tools[0].function.parameters"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": 5}, "tool_choice"),
        ({"tool_choice": {"type": "web_search"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.function.name"),
        ({"tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice"),
        ({"tools": [], "tool_choice": "required"}, "tool_choice"),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "none"}}},
            "tool_choice.allowed_tools.mode",
        ),
        ({"parallel_tool_calls": 1}, "parallel_tool_calls"),
        ({"functions": [{"name": "f"}]}, "functions"),
    ],
)
def test_what_is_wrong_with_tools_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as refused:
        request(**fields)

    assert (refused.value.status, refused.value.param) == (400, param)
