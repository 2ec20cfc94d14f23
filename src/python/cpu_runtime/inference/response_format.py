"""`response_format`: the JSON schema that a chat's response has to follow.

https://platform.openai.com/docs/guides/structured-outputs
"""

from __future__ import annotations

from typing import Any

from cpu_runtime.errors import invalid
from cpu_runtime.inference.fields import Body
from cpu_runtime.inference.schema_bounds import SchemaBounds

_FIELD = "response_format"
_ANY_OBJECT: Body = {"type": "object"}


def take_schema(body: Body) -> Body | None:
    """Take `response_format` out of a chat and return its schema; None for plain text.

    Raises:
        RequestError: it is of none of the three known forms.
    """
    value = body.pop(_FIELD, None)
    if value is None:
        return None
    kind = value.get("type") if isinstance(value, dict) else None
    match kind:
        case "text":
            return None
        case "json_object":
            # llama.cpp knows this form with a schema as well.
            return _schema(value.get("schema", _ANY_OBJECT), f"{_FIELD}.schema")
        case "json_schema":
            named = value.get("json_schema")
            if not isinstance(named, dict):
                raise invalid(
                    f"{_FIELD}.json_schema must be an object with 'name' and 'schema'.",
                    f"{_FIELD}.json_schema",
                )
            where = f"{_FIELD}.json_schema.schema"
            return _schema(named.get("schema", _ANY_OBJECT), where)
        case _:
            raise invalid(
                f"{_FIELD}.type must be 'text', 'json_object' or 'json_schema'.",
                f"{_FIELD}.type" if isinstance(value, dict) else _FIELD,
            )


def as_response_format(schema: Body) -> Body:
    """Return what llama.cpp is asked for, to follow a schema."""
    return {"type": "json_schema", "json_schema": {"name": "response", "schema": schema}}


def _schema(value: Any, where: str) -> Body:
    if not isinstance(value, dict):
        raise invalid(f"{where} must be a JSON schema, which is an object.", where)
    SchemaBounds().check(value, where)
    return value or _ANY_OBJECT
