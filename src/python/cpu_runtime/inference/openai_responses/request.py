"""Requests for /v1/responses, as chats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cpu_runtime.errors import RequestError, invalid
from cpu_runtime.inference.fields import Body, check_boolean, check_integer, require, without_nulls
from cpu_runtime.inference.openai_responses.input import messages_of

_SAME = ("model", "stream", "temperature", "top_p", "top_logprobs", "parallel_tool_calls")
"""Fields that a chat has under the same name."""

_NOT_KEPT = ("previous_response_id", "conversation", "prompt")
"""Fields that refer to what a server with a memory would have."""

INPUT = "input"
"""The parameter of a free-form tool, whose input is a text and no object."""


@dataclass(frozen=True, slots=True)
class ResponseRequest:
    """A request, understood.

    Attributes:
        chat: the chat that it is.
        free_form: the names of tools that take a text, which the chat's model calls with an object.
        asked: what was asked for, in the form in which responses repeat it.
    """

    chat: Body
    free_form: frozenset[str]
    asked: Body


def response_request(body: Body) -> ResponseRequest:
    """Return what a body asks for. Fields that a chat has no word for are left out.

    Raises:
        RequestError: it is wrong, or asks for what is not here; the error names the field.
    """
    for field in _NOT_KEPT:
        if body.get(field):
            raise invalid(
                f"{field!r} is not offered: this server keeps nothing of earlier requests; send "
                "the whole conversation in 'input'.",
                field,
                "unsupported_parameter",
            )
    check_boolean(body, "background")
    if body.get("background"):
        raise invalid("'background' is not offered.", "background", "unsupported_parameter")
    check_integer(body, "max_output_tokens", 1)
    chat: Body = {name: body[name] for name in _SAME if name in body}
    if body.get("top_logprobs"):
        chat["logprobs"] = True
    instructions = body.get("instructions", "")
    if not isinstance(instructions, str):
        raise _must_be("instructions", "a text")
    chat["messages"] = messages_of(require(body, "input"), instructions)
    if "max_output_tokens" in body:
        chat["max_tokens"] = body["max_output_tokens"]
    tools, free_form = _tools(body.get("tools", []))
    choice = body.get("tool_choice", "auto")
    if tools:
        chat["tools"] = tools
    if tools or choice not in ("auto", "none"):
        chat["tool_choice"] = _choice(choice)
    if (form := _format(body)) is not None:
        chat["response_format"] = form
    return ResponseRequest(chat, free_form, _asked(body))


def _tools(value: Any) -> tuple[list[Body], frozenset[str]]:
    """Return the tools that the client runs. Those that OpenAI runs are not here."""
    if not isinstance(value, list):
        raise _must_be("tools", "a list")
    tools: list[Body] = []
    free_form: set[str] = set()
    for at, each in enumerate(value):
        if not isinstance(each, dict):
            raise _must_be(f"tools[{at}]", "an object with 'type'")
        if each.get("type") not in ("function", "custom"):
            continue
        if not isinstance(each.get("name"), str):
            raise _must_be(f"tools[{at}].name", "a text")
        function = {"name": each["name"], "description": each.get("description")}
        if each["type"] == "custom":
            free_form.add(each["name"])
            function["parameters"] = {
                "type": "object",
                "properties": {INPUT: {"type": "string"}},
                "required": [INPUT],
                "additionalProperties": False,
            }
        else:
            parameters = each.get("parameters")
            if parameters is not None and not isinstance(parameters, dict):
                raise _must_be(f"tools[{at}].parameters", "a JSON schema of an object")
            function["parameters"] = parameters
        tools.append({"type": "function", "function": without_nulls(function)})
    return tools, frozenset(free_form)


def _choice(choice: Any) -> Any:
    if isinstance(choice, str):
        return choice
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind in ("function", "custom"):
        return _reference(choice)
    if kind == "allowed_tools":
        tools = choice.get("tools")
        if not isinstance(tools, list):
            raise _must_be("tool_choice.tools", "a list of tools")
        return {**choice, "tools": [_reference(each) for each in tools]}
    raise invalid(
        "tool_choice.type must be 'function', 'custom' or 'allowed_tools': other tools are not "
        "run by this server.",
        "tool_choice",
    )


def _reference(value: Any) -> Body:
    name = value.get("name") if isinstance(value, dict) else None
    return {"type": "function", "function": {"name": name}}


def _format(body: Body) -> Body | None:
    """Return `text.format` as a chat's `response_format`."""
    text = body.get("text", {})
    if not isinstance(text, dict):
        raise _must_be("text", "an object")
    form = text.get("format")
    if form is None:
        return None
    kind = form.get("type") if isinstance(form, dict) else None
    if kind == "json_schema":
        if not isinstance(form.get("schema"), dict):
            raise _must_be("text.format.schema", "a JSON schema, which is an object")
        return {"type": kind, "json_schema": {"schema": form["schema"]}}
    if kind not in ("text", "json_object"):
        raise _must_be("text.format.type", "'text', 'json_object' or 'json_schema'")
    return {"type": kind}


def _asked(body: Body) -> Body:
    return {
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "metadata": body.get("metadata", {}),
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": None,
        "reasoning": body.get("reasoning", {"effort": None, "summary": None}),
        "store": False,
        "temperature": body.get("temperature", 1.0),
        "text": {"format": {"type": "text"}, **body.get("text", {})},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools", []),
        "top_p": body.get("top_p", 1.0),
        "truncation": "disabled",
    }


def _must_be(where: str, what: str) -> RequestError:
    return invalid(f"{where} must be {what}.", where)
