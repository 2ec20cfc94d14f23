"""Chats as messages of Anthropic's: what is the same in whole responses and in streams."""

from __future__ import annotations

import uuid
from typing import Any

import orjson

Document = dict[str, Any]

_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


def message_of(document: Document) -> bytes:
    """Return the message that a whole chat is."""
    choice = document["choices"][0]
    message = choice["message"]
    content: list[Document] = []
    if thought := message.get("reasoning_content"):
        content.append({"type": "thinking", "thinking": thought, "signature": ""})
    if text := message.get("content"):
        content.append({"type": "text", "text": text})
    for call in message.get("tool_calls") or ():
        function = call["function"]
        content.append(
            {
                "type": "tool_use",
                "id": call["id"],
                "name": function["name"],
                "input": arguments_of(function["arguments"]),
            }
        )
    usage = document["usage"]
    reason, sequence = ending(choice.get("finish_reason"), document)
    return orjson.dumps(
        {
            **envelope(document["model"]),
            "content": content,
            "stop_reason": reason,
            "stop_sequence": sequence,
            "usage": usage_of(usage["prompt_tokens"], usage["completion_tokens"]),
        }
    )


def envelope(model: str) -> Document:
    """Return what a message has besides its content and its end."""
    return {
        "id": f"msg_{uuid.uuid4().hex[:24]}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def usage_of(prompt: int, completion: int) -> Document:
    """Return tokens as Anthropic counts them. All of the prompt counts as input, cached or not."""
    return {
        "input_tokens": prompt,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": completion,
    }


def ending(finish_reason: str | None, document: Document) -> tuple[str, str | None]:
    """Return why a message ends, and the stop sequence if it was one.

    Args:
        document: the response or its last chunk, in which llama.cpp says which word it stopped at.
    """
    word = (document.get("__verbose") or {}).get("stopping_word")
    if finish_reason == "stop" and word:
        return "stop_sequence", str(word)
    return _STOP_REASONS.get(finish_reason or "stop", "end_turn"), None


def arguments_of(text: str) -> Document:
    """Return the arguments of a call; a call that was cut off has none that can be read."""
    try:
        arguments = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return arguments if isinstance(arguments, dict) else {}
