"""Bounds for JSON schemas. llama.cpp makes grammars of them while all other requests wait.

It knows no bounds of its own: 20,000 values of an enumeration took longer than a minute, 2,000
properties longer than 25 s, and a reference that leads back to itself never ended. OpenAI has
bounds of the same kind:
https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from cpu_runtime.errors import RequestError, invalid
from cpu_runtime.inference.fields import Body

MAX_ENUM_VALUES = 1_000
MAX_PROPERTIES = 500
MAX_LETTERS = 120_000
"""Of the values of enumerations and the names of properties."""
MAX_DEPTH = 100

_ALTERNATIVES = ("allOf", "anyOf", "oneOf")


class SchemaBounds:
    """Counts what the schemas of one request have together."""

    def __init__(self) -> None:
        self._values = 0
        self._properties = 0
        self._letters = 0

    def check(self, schema: Body, where: str) -> None:
        """Take one schema more.

        Raises:
            RequestError: they are too large together, or this one is too deep or refers to itself.
        """
        self._count(schema, where)
        if _leads_back(schema):
            raise _refused(where, "has a reference that leads back to itself")

    def _count(self, schema: Body, where: str) -> None:
        # Not by recursion: the depth is what is bounded.
        waiting: list[tuple[Any, int]] = [(schema, 1)]
        while waiting:
            node, depth = waiting.pop()
            if depth > MAX_DEPTH:
                raise _refused(where, f"is nested deeper than {MAX_DEPTH} levels")
            if isinstance(node, list):
                waiting += [(each, depth + 1) for each in node]
            elif isinstance(node, dict):
                waiting += [(each, depth + 1) for each in node.values()]
                if isinstance(values := node.get("enum"), list):
                    self._values += len(values)
                    self._letters += sum(len(str(value)) for value in values)
                if isinstance(properties := node.get("properties"), dict):
                    self._properties += len(properties)
                    self._letters += sum(map(len, properties))
        if self._values > MAX_ENUM_VALUES:
            raise _refused(where, f"brings the values of 'enum' to more than {MAX_ENUM_VALUES}")
        if self._properties > MAX_PROPERTIES:
            raise _refused(where, f"brings the properties to more than {MAX_PROPERTIES}")
        if self._letters > MAX_LETTERS:
            raise _refused(where, f"brings values and names to more than {MAX_LETTERS} letters")


def _leads_back(schema: Body) -> bool:
    """Return whether a reference is reached again without any property or item on the way."""
    done: set[str] = set()
    for start in _references(schema):
        if start in done:
            continue
        path: list[tuple[str, list[str]]] = [(start, _followed(schema, start))]
        on_path = {start}
        while path:
            pointer, left = path[-1]
            if not left:
                done.add(pointer)
                on_path.discard(pointer)
                path.pop()
                continue
            following = left.pop()
            if following in on_path:
                return True
            if following not in done:
                on_path.add(following)
                path.append((following, _followed(schema, following)))
    return False


def _references(schema: Body) -> list[str]:
    found: list[str] = []
    waiting: list[Any] = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            waiting += node.values()
            if isinstance(target := node.get("$ref"), str):
                found.append(target)
    return found


def _followed(schema: Body, pointer: str) -> list[str]:
    """Return the references that have to be followed to know what a reference stands for."""
    found: list[str] = []
    waiting = [_target(schema, pointer)]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, dict):
            continue
        if isinstance(reference := node.get("$ref"), str):
            found.append(reference)
        for name in _ALTERNATIVES:
            if isinstance(alternatives := node.get(name), list):
                waiting += alternatives
    return found


def _target(schema: Body, pointer: str) -> Any:
    """Return what a reference into the same document is to; None if there is nothing."""
    if not pointer.startswith("#"):
        return None
    node: Any = schema
    for step in pointer[1:].split("/")[1:]:
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(node, list) and name.isdecimal() and int(name) < len(node):
            node = node[int(name)]
        else:
            node = node.get(name) if isinstance(node, dict) else None
    return node


def _refused(where: str, what: str) -> RequestError:
    return invalid(f"{where} {what}.", where, "invalid_schema")
