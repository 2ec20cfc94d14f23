"""The messages of a chat: checked, and without the nulls that clients write for `not given`.

llama.cpp fails on what it does not expect there, with an error that it calls its own.
https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

from typing import Any

from cpu_runtime.errors import RequestError, invalid
from cpu_runtime.inference.fields import Body, without_nulls

_ROLES = ("system", "developer", "user", "assistant", "tool")
_TEXTS = ("name", "tool_call_id", "reasoning_content", "refusal")


def messages_of(value: Any) -> list[Body]:
    """Return the messages of a request.

    Raises:
        RequestError: they are none, naming the first field that is wrong.
    """
    if not isinstance(value, list) or not value:
        raise invalid("'messages' must be a list of at least one message.", "messages")
    return [_message(each, f"messages[{at}]") for at, each in enumerate(value)]


def _message(value: Any, where: str) -> Body:
    if not isinstance(value, dict):
        raise invalid(f"{where} must be an object with 'role' and 'content'.", where)
    message = without_nulls(value)
    role, content = message.get("role"), message.get("content")
    if role not in _ROLES:
        raise invalid(f"{where}.role must be one of {', '.join(_ROLES)}.", f"{where}.role")
    if role == "developer":
        message["role"] = "system"  # the name that models know it by
    for field in _TEXTS:
        if not isinstance(message.get(field, ""), str):
            raise _must_be(f"{where}.{field}", "a text")
    if "tool_calls" in message:
        calls = _tool_calls(message.pop("tool_calls"), f"{where}.tool_calls")
        if calls:
            message["tool_calls"] = calls
    if content is None and role == "assistant" and message.get("tool_calls"):
        return {**message, "content": None}
    if isinstance(content, list):
        for at, part in enumerate(content):
            _check_part(part, f"{where}.content[{at}]")
    elif not isinstance(content, str):
        raise invalid(f"{where}.content must be a text or a list of parts.", f"{where}.content")
    return message


def _tool_calls(value: Any, where: str) -> list[Body]:
    """Return the calls of a message, without those that call nothing."""
    if not isinstance(value, list):
        raise _must_be(where, "a list")
    calls = [_tool_call(each, f"{where}[{at}]") for at, each in enumerate(value)]
    return [call for call in calls if "function" in call]


def _tool_call(value: Any, where: str) -> Body:
    if not isinstance(value, dict):
        raise _must_be(where, "an object with 'function'")
    call = {"type": "function", **without_nulls(value)}
    for field in ("id", "type"):
        if not isinstance(call.get(field, ""), str):
            raise _must_be(f"{where}.{field}", "a text")
    if "function" not in call:
        return call
    if not isinstance(call["function"], dict):
        raise _must_be(f"{where}.function", "an object with 'name' and 'arguments'")
    function = {"arguments": "{}", **without_nulls(call["function"])}
    for field in ("name", "arguments"):
        if not isinstance(function.get(field), str):
            raise _must_be(f"{where}.function.{field}", "a text")
    return {**call, "function": function}


def _check_part(part: Any, where: str) -> None:
    if not isinstance(part, dict):
        raise invalid(f"{where} must be an object with 'type' and 'text'.", where)
    if part.get("type") != "text":
        raise invalid(f"{where}.type must be 'text': this model reads nothing else.", where)
    if not isinstance(part.get("text"), str):
        raise invalid(f"{where}.text must be a text.", where)


def _must_be(where: str, what: str) -> RequestError:
    return invalid(f"{where} must be {what}.", where)
