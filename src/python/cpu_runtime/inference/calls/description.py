"""Tools told to a model whose chat template knows none: as text, in messages of plain roles."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from cpu_runtime.inference.fields import Body
from cpu_runtime.inference.tools import Tools

_INSTRUCTION = """\
You can call these tools:
{tools}

To call tools, reply with a JSON list and nothing else:
[{{"name": "the tool's name", "arguments": {{"the parameter's name": "its value"}}}}]"""


def with_description(messages: Sequence[Body], tools: Tools | None) -> list[Body]:
    """Return messages that describe tools, earlier calls, and their results, as text."""
    told = [_plain(message) for message in messages]
    if tools is None:
        return told
    lines = "\n".join(json.dumps(each["function"]) for each in tools.definitions)
    instruction = _INSTRUCTION.format(tools=lines)
    if told and told[0]["role"] == "system":
        first = f"{text_of(told[0]['content'])}\n\n{instruction}"
        return [{**told[0], "content": first}, *told[1:]]
    return [{"role": "system", "content": instruction}, *told]


def text_of(content: Any) -> str:
    """Return the text of a message's content, which may be in parts."""
    if isinstance(content, list):
        return "\n".join(str(part["text"]) for part in content)
    return str(content or "")


def _plain(message: Body) -> Body:
    if message["role"] == "tool":
        return {"role": "user", "content": f"Result of the tool:\n{text_of(message['content'])}"}
    calls = message.get("tool_calls")
    if not calls:
        return message
    written = ", ".join(
        f'{{"name": {json.dumps(call["function"]["name"])}, '
        f'"arguments": {call["function"]["arguments"]}}}'
        for call in calls
    )
    said = text_of(message.get("content"))
    return {"role": "assistant", "content": f"{said}\n[{written}]" if said else f"[{written}]"}
