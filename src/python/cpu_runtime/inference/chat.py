"""Requests for /v1/chat/completions. https://platform.openai.com/docs/api-reference/chat"""

from __future__ import annotations

from typing import Any

from cpu_runtime.errors import invalid
from cpu_runtime.inference.fields import Body, check_boolean, check_integer, check_kind, require
from cpu_runtime.inference.generation import Generation, generation
from cpu_runtime.models.catalog import Model

_ROLES = ("system", "developer", "user", "assistant", "tool")


def chat(body: Body, model: Model) -> Generation:
    """Return the request for text that a body is.

    Raises:
        RequestError: it is none, or asks for what the model does not have.
    """
    messages = require(body, "messages")
    if not isinstance(messages, list) or not messages:
        raise invalid("'messages' must be a list of at least one message.", "messages")
    body["messages"] = [_message(each, f"messages[{at}]") for at, each in enumerate(messages)]
    check_boolean(body, "logprobs")
    check_integer(body, "top_logprobs", 0, 20)
    check_kind(body, "response_format", dict, "an object")
    check_kind(body, "tools", list, "a list")
    if body.get("tools") and body.get("tool_choice") != "none" and not model.tools:
        raise invalid(
            f"{model.name} does not know how to use tools; leave out 'tools'.",
            "tools",
            "unsupported_parameter",
        )
    return generation("/v1/chat/completions", body, "messages")


def _message(value: Any, where: str) -> Body:
    if not isinstance(value, dict):
        raise invalid(f"{where} must be an object with 'role' and 'content'.", where)
    message: Body = value
    role, content = message.get("role"), message.get("content")
    if role not in _ROLES:
        raise invalid(f"{where}.role must be one of {', '.join(_ROLES)}.", f"{where}.role")
    if role == "developer":
        message = {**message, "role": "system"}  # the name that models know it by
    if content is None and role == "assistant" and message.get("tool_calls"):
        return message
    if isinstance(content, list):
        for at, part in enumerate(content):
            _check_part(part, f"{where}.content[{at}]")
    elif not isinstance(content, str):
        raise invalid(f"{where}.content must be a text or a list of parts.", f"{where}.content")
    return message


def _check_part(part: Any, where: str) -> None:
    if not isinstance(part, dict):
        raise invalid(f"{where} must be an object with 'type' and 'text'.", where)
    if part.get("type") != "text":
        raise invalid(f"{where}.type must be 'text': this model reads nothing else.", where)
    if not isinstance(part.get("text"), str):
        raise invalid(f"{where}.text must be a text.", where)
