"""The tools of a chat, and which of them the model may or has to call.

https://platform.openai.com/docs/api-reference/chat/create#chat-create-tools
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from cpu_runtime.errors import RequestError, invalid
from cpu_runtime.inference.fields import Body, check_boolean, without_nulls
from cpu_runtime.inference.schema_bounds import SchemaBounds

Choice = Literal["auto", "required"]

_MODES = ("none", "auto", "required")
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_MAX_TOOLS = 128


@dataclass(frozen=True, slots=True)
class Tools:
    """Tools that the model may call.

    Attributes:
        definitions: of functions, in the form of the request, each with `parameters`.
        choice: `required` if the response has to be calls and nothing else.
        parallel: whether one response may hold several calls.
    """

    definitions: tuple[Body, ...]
    choice: Choice
    parallel: bool


def take_tools(body: Body) -> Tools | None:
    """Take the fields about tools out of a chat; None if no tool may be called.

    Raises:
        RequestError: one of them is wrong; the error names it.
    """
    for old in ("functions", "function_call"):
        if body.pop(old, None):
            raise invalid(
                f"{old!r} is not offered; use 'tools' and 'tool_choice'.",
                old,
                "unsupported_parameter",
            )
    check_boolean(body, "parallel_tool_calls")
    parallel = bool(body.pop("parallel_tool_calls", True))
    definitions = _definitions(body.pop("tools", []))
    choice = body.pop("tool_choice", "auto")
    if not definitions:
        if choice in ("none", "auto"):
            return None
        raise invalid("'tool_choice' is only allowed together with 'tools'.", "tool_choice")
    mode, allowed = _choice(choice, tuple(_name_of(each) for each in definitions))
    if mode == "none":
        return None
    chosen = tuple(each for each in definitions if _name_of(each) in allowed)
    named = isinstance(choice, dict) and choice.get("type") == "function"
    return Tools(chosen, "required" if mode == "required" else "auto", parallel and not named)


def _definitions(value: Any) -> tuple[Body, ...]:
    if not isinstance(value, list):
        raise _must_be("tools", "a list")
    if len(value) > _MAX_TOOLS:
        raise invalid(f"'tools' must have at most {_MAX_TOOLS} entries.", "tools")
    definitions = tuple(_definition(each, f"tools[{at}]") for at, each in enumerate(value))
    bounds = SchemaBounds()
    for at, each in enumerate(definitions):
        bounds.check(each["function"]["parameters"], f"tools[{at}].function.parameters")
    names = [_name_of(each) for each in definitions]
    for at, name in enumerate(names):
        if name in names[:at]:
            raise invalid(
                f"tools[{at}].function.name {name!r} is taken by another tool.",
                f"tools[{at}].function.name",
            )
    return definitions


def _definition(value: Any, where: str) -> Body:
    if not isinstance(value, dict):
        raise _must_be(where, "an object with 'type' and 'function'")
    if value.get("type", "function") != "function":
        raise invalid(f"{where}.type must be 'function'.", f"{where}.type")
    function = value.get("function")
    if not isinstance(function, dict):
        raise _must_be(f"{where}.function", "an object with 'name' and 'parameters'")
    function = without_nulls(function)
    name = function.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise _must_be(
            f"{where}.function.name", "1 to 128 letters, digits, '_', '-', '.' or ':', and no more"
        )
    if not isinstance(function.get("description", ""), str):
        raise _must_be(f"{where}.function.description", "a text")
    return {
        "type": "function",
        "function": {**function, "parameters": _parameters(function, where)},
    }


def _parameters(function: Body, where: str) -> Body:
    parameters = function.get("parameters", {})
    if not isinstance(parameters, dict) or parameters.get("type", "object") != "object":
        raise _must_be(f"{where}.function.parameters", "a JSON schema of an object")
    if not parameters:
        return {"type": "object", "properties": {}}
    return parameters


def _choice(choice: Any, names: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Return the mode of a choice, and the names of the tools that it leaves."""
    if isinstance(choice, str):
        if choice not in _MODES:
            raise _must_be("tool_choice", "'none', 'auto', 'required', or an object")
        return choice, names
    if not isinstance(choice, dict):
        raise _must_be("tool_choice", "'none', 'auto', 'required', or an object")
    match choice.get("type"):
        case "function":
            return "required", (_existing(choice, names, "tool_choice"),)
        case "allowed_tools":
            return _allowed(choice.get("allowed_tools", choice), names)
        case _:
            raise _must_be("tool_choice.type", "'function' or 'allowed_tools'")


def _allowed(value: Any, names: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    where = "tool_choice.allowed_tools"
    if not isinstance(value, dict) or value.get("mode") not in ("auto", "required"):
        raise _must_be(f"{where}.mode", "'auto' or 'required'")
    tools = value.get("tools")
    if not isinstance(tools, list) or not tools:
        raise _must_be(f"{where}.tools", "a list of at least one tool")
    allowed = tuple(_existing(each, names, f"{where}.tools[{at}]") for at, each in enumerate(tools))
    return value["mode"], allowed


def _existing(reference: Any, names: tuple[str, ...], where: str) -> str:
    function = reference.get("function") if isinstance(reference, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(name, str):
        raise _must_be(f"{where}.function.name", "the name of a tool")
    if name not in names:
        raise invalid(
            f"{where} names {name!r}, which is not in 'tools': {', '.join(names)}.", where
        )
    return name


def _name_of(definition: Body) -> str:
    return str(definition["function"]["name"])


def _must_be(where: str, what: str) -> RequestError:
    return invalid(f"{where} must be {what}.", where)
