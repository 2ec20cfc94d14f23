"""Schemas that would hold up the engine are the caller's mistake."""

from __future__ import annotations

from typing import Any

import pytest

from cpu_runtime.errors import RequestError
from cpu_runtime.inference.chat import chat
from cpu_runtime.inference.schema_bounds import MAX_ENUM_VALUES, MAX_PROPERTIES, SchemaBounds


def nested(levels: int) -> Any:
    schema: Any = {"type": "object"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


LIST = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
        }
    },
}


@pytest.mark.parametrize(
    "schema",
    [
        LIST,
        nested(50),
        {"enum": list(range(MAX_ENUM_VALUES))},
        {"properties": {f"p{number}": {} for number in range(MAX_PROPERTIES)}},
        {"$ref": "https://example.invalid/x.json"},
        {"$ref": "#/$defs/nowhere"},
        {"$ref": 5, "anyOf": 5, "enum": 5, "properties": 5},
        {"anyOf": [{"$ref": "#/$defs/a~1b"}], "$defs": {"a/b": {"type": "string"}}},
    ],
)
def test_what_is_within_the_bounds(schema: dict[str, Any]) -> None:
    SchemaBounds().check(schema, "x")


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (nested(120), "deeper than 100"),
        ({"enum": list(range(MAX_ENUM_VALUES + 1))}, "enum"),
        ({"properties": {f"p{n}": {} for n in range(MAX_PROPERTIES + 1)}}, "properties"),
        ({"enum": ["x" * 3000 + str(number) for number in range(100)]}, "letters"),
        ({"$ref": "#"}, "itself"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, "itself"),
        (
            {
                "$ref": "#/$defs/a",
                "$defs": {
                    "a": {"allOf": [{"$ref": "#/$defs/b"}]},
                    "b": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/a"}]},
                },
            },
            "itself",
        ),
        (
            {"properties": {"x": {"$ref": "#/anyOf/0"}}, "anyOf": [{"$ref": "#/anyOf/0"}]},
            "itself",
        ),
    ],
)
def test_what_is_beyond_them(schema: dict[str, Any], reason: str) -> None:
    with pytest.raises(RequestError, match=reason) as refused:
        SchemaBounds().check(schema, "x")
    assert (refused.value.status, refused.value.code) == (400, "invalid_schema")


def test_the_tools_of_a_request_count_together() -> None:
    half = {"enum": list(range(MAX_ENUM_VALUES * 2 // 3))}
    tools = [
        {
            "type": "function",
            "function": {"name": name, "parameters": {"properties": {"a": half}}},
        }
        for name in "fg"
    ]
    with pytest.raises(RequestError) as refused:
        chat(
            {"messages": [{"role": "user", "content": "Hi."}], "tools": tools},
            template_has_tools=True,
        )
    assert refused.value.param == "tools[1].function.parameters"


def test_a_structured_response_is_bounded_too() -> None:
    form = {"type": "json_schema", "json_schema": {"schema": {"$ref": "#"}}}
    with pytest.raises(RequestError) as refused:
        chat(
            {"messages": [{"role": "user", "content": "Hi."}], "response_format": form},
            template_has_tools=True,
        )
    assert refused.value.param == "response_format.json_schema.schema"
