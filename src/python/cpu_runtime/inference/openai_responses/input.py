"""The items of a conversation, as the messages of a chat."""

from __future__ import annotations

import json
from typing import Any

from cpu_runtime.errors import RequestError, invalid
from cpu_runtime.inference.conversation import Conversation
from cpu_runtime.inference.fields import Body

_ROLES = ("system", "developer", "user", "assistant")
_TEXTS = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "refusal"}
"""The field of each kind of part."""

_NOT_READ = ("additional_tools", "compaction", "web_search_call", "file_search_call")
"""Items that only OpenAI can make sense of. They come back with the history."""


def messages_of(value: Any, instructions: str) -> list[Body]:
    """Return the messages of a chat.

    Raises:
        RequestError: an item is wrong; the error names it.
    """
    conversation = Conversation(instructions)
    if isinstance(value, str):
        conversation.say("user", value)
        return conversation.messages()
    if not isinstance(value, list) or not value:
        raise invalid("'input' must be a text, or a list of at least one item.", "input")
    for at, item in enumerate(value):
        _add(conversation, item, f"input[{at}]")
    return conversation.messages()


def _add(conversation: Conversation, item: Any, where: str) -> None:
    if not isinstance(item, dict):
        raise _must_be(where, "an object with 'type'")
    kind = item.get("type", "message")
    match kind:
        case "message":
            role = item.get("role")
            if role not in _ROLES:
                raise _must_be(f"{where}.role", f"one of {', '.join(_ROLES)}")
            conversation.say(role, _text(item.get("content"), f"{where}.content"))
        case "function_call":
            identity, name, arguments = _texts(item, where, "call_id", "name", "arguments")
            conversation.call(identity, name, arguments)
        case "custom_tool_call":
            identity, name, text = _texts(item, where, "call_id", "name", "input")
            conversation.call(identity, name, json.dumps({"input": text}, ensure_ascii=False))
        case "function_call_output" | "custom_tool_call_output":
            (identity,) = _texts(item, where, "call_id")
            conversation.result(identity, _text(item.get("output"), f"{where}.output"))
        case "reasoning":
            thought = item.get("content") or []
            if isinstance(thought, list) and thought:
                conversation.think(
                    "".join(str(part.get("text", "")) for part in thought if isinstance(part, dict))
                )
        case _ if kind in _NOT_READ:
            pass
        case _:
            raise invalid(
                f"{where}.type {kind!r} is not offered; messages, calls of functions and custom "
                "tools, their outputs, and reasoning are.",
                f"{where}.type",
            )


def _text(value: Any, where: str) -> str:
    """Return the text of a content or an output, which may be in parts."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise _must_be(where, "a text or a list of parts")
    return "\n".join(_part(part, f"{where}[{at}]") for at, part in enumerate(value))


def _part(part: Any, where: str) -> str:
    field = _TEXTS.get(str(part.get("type"))) if isinstance(part, dict) else None
    if field is None:
        raise invalid(
            f"{where}.type must be 'input_text' or 'output_text': this model reads nothing else.",
            f"{where}.type",
        )
    (text,) = _texts(part, where, field)
    return text


def _texts(item: Body, where: str, *names: str) -> list[str]:
    for name in names:
        if not isinstance(item.get(name), str):
            raise _must_be(f"{where}.{name}", "a text")
    return [item[name] for name in names]


def _must_be(where: str, what: str) -> RequestError:
    return invalid(f"{where} must be {what}.", where)
