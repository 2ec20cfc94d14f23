"""The JSON schema of a response that is calls of tools, or something else where that is allowed."""

from __future__ import annotations

from typing import Any

from cpu_runtime.inference.fields import Body
from cpu_runtime.inference.tools import Tools

MAX_CALLS = 8
"""Of one response. A small model would go on and on."""

_DEFINITIONS = "$defs"


def schema_of(tools: Tools, otherwise: Body | None = None) -> Body:
    """Return the schema that a response has to follow.

    Args:
        otherwise: the schema of a response without calls; None if there has to be a call.
    """
    definitions: Body = {}
    calls = [
        _call(definition["function"], f"tool_{at}", definitions)
        for at, definition in enumerate(tools.definitions)
    ]
    array: Body = {
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_CALLS if tools.parallel else 1,
        "items": calls[0] if len(calls) == 1 else {"anyOf": calls},
    }
    if otherwise is None:
        return {**array, _DEFINITIONS: definitions}
    definitions["response"] = _moved(otherwise, f"#/{_DEFINITIONS}/response")
    response = {"$ref": f"#/{_DEFINITIONS}/response"}
    return {"anyOf": [response, array], _DEFINITIONS: definitions}


def _call(function: Body, key: str, definitions: Body) -> Body:
    place = f"#/{_DEFINITIONS}/{key}"
    definitions[key] = _moved(function["parameters"], place)
    return {
        "type": "object",
        # The name comes first, so that it is known before the arguments arrive.
        "properties": {"name": {"const": function["name"]}, "arguments": {"$ref": place}},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _moved(schema: Any, place: str) -> Any:
    """Return a schema whose references to itself are right below `place`."""
    if isinstance(schema, list):
        return [_moved(each, place) for each in schema]
    if not isinstance(schema, dict):
        return schema
    moved = {name: _moved(value, place) for name, value in schema.items()}
    target = moved.get("$ref")
    if isinstance(target, str) and (target == "#" or target.startswith("#/")):
        moved["$ref"] = place + target[1:]
    return moved
