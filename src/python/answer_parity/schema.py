"""Whether a JSON value keeps to a schema, by the keywords that requests use.

What is not known here constrains nothing: a difference between two engines counts only if it is
surely one. https://json-schema.org/draft/2020-12/json-schema-validation
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

MAX_DEPTH = 32

_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, Mapping),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: _is_number(value) and float(value).is_integer(),
    "number": lambda value: _is_number(value),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}


def fits(value: Any, schema: Any, depth: int = 0) -> bool:
    """Return whether a value keeps to a schema."""
    if schema is False:
        return False
    if not isinstance(schema, Mapping) or "$ref" in schema or depth > MAX_DEPTH:
        return True
    if not _is_of_type(value, schema.get("type")):
        return False
    if "const" in schema and value != schema["const"]:
        return False
    if isinstance(schema.get("enum"), list) and value not in schema["enum"]:
        return False
    if not _fits_combined(value, schema, depth):
        return False
    if isinstance(value, Mapping):
        return _fits_object(value, schema, depth)
    if isinstance(value, list) and "items" in schema:
        return all(fits(each, schema["items"], depth + 1) for each in value)
    return True


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_of_type(value: Any, wanted: Any) -> bool:
    names = wanted if isinstance(wanted, list) else [wanted]
    known = [name for name in names if isinstance(name, str) and name in _TYPES]
    return not known or any(_TYPES[name](value) for name in known)


def _fits_combined(value: Any, schema: Mapping[str, Any], depth: int) -> bool:
    every, some = schema.get("allOf"), schema.get("anyOf", schema.get("oneOf"))
    if isinstance(every, list) and not all(fits(value, each, depth + 1) for each in every):
        return False
    return not (isinstance(some, list) and some) or any(
        fits(value, each, depth + 1) for each in some
    )


def _fits_object(value: Mapping[str, Any], schema: Mapping[str, Any], depth: int) -> bool:
    properties = schema.get("properties")
    declared = properties if isinstance(properties, Mapping) else {}
    required = schema.get("required")
    if isinstance(required, list) and any(name not in value for name in required):
        return False
    for name, inner in value.items():
        if name in declared:
            if not fits(inner, declared[name], depth + 1):
                return False
        elif "patternProperties" not in schema and not fits(
            inner, schema.get("additionalProperties", True), depth + 1
        ):
            return False
    return True
