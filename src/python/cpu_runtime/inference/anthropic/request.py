"""Requests for /v1/messages and /v1/messages/count_tokens, as chats."""

from __future__ import annotations

from typing import Any

from cpu_runtime.errors import RequestError, invalid
from cpu_runtime.inference.anthropic.content import messages_of, text_in
from cpu_runtime.inference.fields import (
    Body,
    check_boolean,
    check_integer,
    check_kind,
    check_number,
    require,
    without_nulls,
)

_SAME = ("model", "stream", "temperature", "top_p", "top_k")
"""Fields that a chat has under the same name."""

_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def chat_of(body: Body, *, counts_only: bool = False) -> Body:
    """Return the chat that a request is. Fields that a chat has no word for are left out.

    Args:
        counts_only: whether only its tokens are to be counted, so that `max_tokens` may be missing.

    Raises:
        RequestError: it is none; the error names the field as the request does.
    """
    if not counts_only:
        require(body, "max_tokens")
    check_integer(body, "max_tokens", 1)
    check_number(body, "temperature", 0, 1)
    check_kind(body, "metadata", dict, "an object")
    chat: Body = {name: body[name] for name in _SAME if name in body}
    system = text_in(body.get("system", ""), "system")
    chat["messages"] = messages_of(require(body, "messages"), system)
    if "max_tokens" in body:
        chat["max_tokens"] = body["max_tokens"]
    if stops := body.get("stop_sequences"):
        chat["stop"] = _stops(stops)
        # Only so does llama.cpp say which of them it was.
        chat["verbose"] = True
    if tools := _tools(body.get("tools", [])):
        chat["tools"] = tools
        chat.update(_choice(body.get("tool_choice", {"type": "auto"}), tools))
    elif body.get("tool_choice", {"type": "auto"}).get("type") not in ("auto", "none"):
        raise invalid("'tool_choice' is only allowed together with 'tools'.", "tool_choice")
    if (schema := _schema(body)) is not None:
        chat["response_format"] = {"type": "json_schema", "json_schema": {"schema": schema}}
    return chat


def _stops(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise _must_be("stop_sequences", "a list of texts")
    return value


def _tools(value: Any) -> list[Body]:
    """Return the tools of the client's own. Those that Anthropic runs are not here."""
    if not isinstance(value, list):
        raise _must_be("tools", "a list")
    tools: list[Body] = []
    for at, each in enumerate(value):
        if not isinstance(each, dict):
            raise _must_be(f"tools[{at}]", "an object with 'name' and 'input_schema'")
        if each.get("type") not in (None, "custom"):
            continue
        if not isinstance(each.get("input_schema"), dict):
            raise _must_be(f"tools[{at}].input_schema", "a JSON schema of an object")
        if not isinstance(each.get("name"), str):
            raise _must_be(f"tools[{at}].name", "a text")
        function = {
            "name": each["name"],
            "description": each.get("description"),
            "parameters": each["input_schema"],
        }
        tools.append({"type": "function", "function": without_nulls(function)})
    return tools


def _choice(value: Any, tools: list[Body]) -> Body:
    if not isinstance(value, dict):
        raise _must_be("tool_choice", "an object with 'type'")
    check_boolean(value, "disable_parallel_tool_use")
    fields: Body = {"parallel_tool_calls": not value.get("disable_parallel_tool_use", False)}
    if value.get("type") == "tool":
        names = [tool["function"]["name"] for tool in tools]
        name = value.get("name")
        if name not in names:
            raise invalid(
                f"tool_choice.name {name!r} is not in 'tools': {', '.join(names)}.",
                "tool_choice.name",
            )
        return {**fields, "tool_choice": {"type": "function", "function": {"name": name}}}
    if value.get("type") not in _CHOICES:
        raise _must_be("tool_choice.type", "'auto', 'any', 'tool' or 'none'")
    return {**fields, "tool_choice": _CHOICES[value["type"]]}


def _schema(body: Body) -> Body | None:
    """Return the schema of a structured response, where either version of the field has it."""
    config = body.get("output_config", {})
    if not isinstance(config, dict):
        raise _must_be("output_config", "an object")
    value = config.get("format") or body.get("output_format")
    if value is None:
        return None
    schema = value.get("schema") if isinstance(value, dict) else None
    if not isinstance(schema, dict) or value.get("type") != "json_schema":
        raise _must_be("output_config.format", "an object with type 'json_schema' and 'schema'")
    return schema


def _must_be(where: str, what: str) -> RequestError:
    return invalid(f"{where} must be {what}.", where)
