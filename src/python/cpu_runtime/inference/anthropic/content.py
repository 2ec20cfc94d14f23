"""The messages of a request, whose content is blocks, as the messages of a chat."""

from __future__ import annotations

import json
from typing import Any

from cpu_runtime.errors import RequestError, invalid
from cpu_runtime.inference.conversation import Conversation
from cpu_runtime.inference.fields import Body

_ROLES = ("user", "assistant", "system")
_NOT_READ = ("redacted_thinking", "server_tool_use", "web_search_tool_result")
"""Blocks that only Anthropic can make sense of. They come back with the history."""


def messages_of(value: Any, system: str) -> list[Body]:
    """Return the messages of a chat.

    Args:
        system: the text that comes before all of them.

    Raises:
        RequestError: one is wrong; the error names it.
    """
    if not isinstance(value, list) or not value:
        raise invalid("'messages' must be a list of at least one message.", "messages")
    conversation = Conversation(system)
    for at, message in enumerate(value):
        where = f"messages[{at}]"
        if not isinstance(message, dict):
            raise _must_be(where, "an object with 'role' and 'content'")
        role = message.get("role")
        if role not in _ROLES:
            raise _must_be(f"{where}.role", "'user', 'assistant' or 'system'")
        content = message.get("content")
        if isinstance(content, str):
            conversation.say(role, content)
        elif isinstance(content, list):
            for number, block in enumerate(content):
                _add(conversation, role, block, f"{where}.content[{number}]")
        else:
            raise _must_be(f"{where}.content", "a text or a list of blocks")
    return conversation.messages()


def text_in(value: Any, where: str) -> str:
    """Return the text of a field that is a text, or a list of blocks of text.

    Raises:
        RequestError: it is neither.
    """
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise _must_be(where, "a text or a list of text blocks")
    return "\n\n".join(_text(block, f"{where}[{at}]") for at, block in enumerate(value))


def _add(conversation: Conversation, role: str, block: Any, where: str) -> None:
    kind = block.get("type") if isinstance(block, dict) else None
    match kind:
        case "text":
            conversation.say(role, _text(block, where))
        case "thinking" if role == "assistant":
            conversation.think(str(block.get("thinking") or ""))
        case "tool_use" if role == "assistant":
            identity, name = _texts(block, where, "id", "name")
            arguments = block.get("input", {})
            if not isinstance(arguments, dict):
                raise _must_be(f"{where}.input", "an object")
            conversation.call(identity, name, json.dumps(arguments, ensure_ascii=False))
        case "tool_result" if role == "user":
            (identity,) = _texts(block, where, "tool_use_id")
            conversation.result(identity, text_in(block.get("content") or "", f"{where}.content"))
        case _ if kind in _NOT_READ:
            pass
        case _:
            raise invalid(
                f"{where}.type must be 'text', 'thinking', 'tool_use' or 'tool_result', in a "
                "message of the role that has it: this model reads nothing else.",
                f"{where}.type",
            )


def _text(block: Any, where: str) -> str:
    if not isinstance(block, dict) or block.get("type") != "text":
        raise invalid(
            f"{where}.type must be 'text': this model reads nothing else.", f"{where}.type"
        )
    (text,) = _texts(block, where, "text")
    return text


def _texts(block: Body, where: str, *names: str) -> list[str]:
    for name in names:
        if not isinstance(block.get(name), str):
            raise _must_be(f"{where}.{name}", "a text")
    return [block[name] for name in names]


def _must_be(where: str, what: str) -> RequestError:
    return invalid(f"{where} must be {what}.", where)
