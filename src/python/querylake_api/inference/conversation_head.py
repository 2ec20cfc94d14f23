"""What a conversation begins with, as one number: requests that share it share a prefix cache.

An engine keeps the attention state of prompts that it has read, and a prompt that begins like one
of them costs only what differs. So the turns of a conversation belong on the same replica. Its
first message never changes while it grows, nor do the instructions before it: their digest is the
same for every turn, in every worker process and on every machine, without any shared state.

Only the beginning of each text counts. Two questions about one long document differ at their end:
they share most of their prefix, and meet on one replica.
"""

# compiled: runs for each request.

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final

from llm_provider.provider import JsonObject

INSTRUCTION_CHARACTERS: Final = 2_048
"""Characters of the instructions of one message that count, besides the length of each text."""

OPENING_CHARACTERS: Final = 1_024
"""Characters of the first message of a user that count."""

_MOST_PARTS: Final = 8
"""Parts of one message, and messages before the first one of a user, that count."""

_TOKENS: Final = 128
"""Token ids of a prompt that count."""

HINT: Final = "prompt_cache_key"
"""A caller's own word for what belongs together; it is used in place of the texts.

https://platform.openai.com/docs/guides/prompt-caching
"""


def conversation_head(request: JsonObject) -> int | None:
    """Return a number that is the same for every turn of a conversation, below 2**64.

    Args:
        request: of any endpoint that generates: chat or text completions, responses, messages.

    Returns:
        None where the request has no text to go by.
    """
    hint = request.get(HINT)
    if isinstance(hint, str) and hint:
        return _digest([HINT, hint[:INSTRUCTION_CHARACTERS]])
    texts: list[str] = []
    for name in ("system", "instructions"):
        _add_instructions(texts, request.get(name))
    for name in ("messages", "input"):
        messages = request.get(name)
        if isinstance(messages, list):
            _add_messages(texts, messages)
        elif isinstance(messages, str):
            texts.append(messages[:OPENING_CHARACTERS])
    _add_prompt(texts, request.get("prompt"))
    return _digest(texts) if texts else None


def _add_instructions(texts: list[str], content: Any) -> None:
    room = INSTRUCTION_CHARACTERS
    for text in _texts(content):
        texts.append(f"{len(text)}:{text[:room]}")
        room -= min(room, len(text))


def _add_messages(texts: list[str], messages: list[Any]) -> None:
    """Add what stands before the first message of a user, and that message."""
    for message in messages[:_MOST_PARTS]:
        if not isinstance(message, dict):
            continue
        content = message.get("content")
        if message.get("role") in ("system", "developer"):
            _add_instructions(texts, content)
            continue
        room = OPENING_CHARACTERS
        for text in _texts(content):
            texts.append(text[:room])
            room -= min(room, len(text))
        return


def _add_prompt(texts: list[str], prompt: Any) -> None:
    if isinstance(prompt, list) and prompt and isinstance(prompt[0], list | str):
        prompt = prompt[0]  # several prompts in one request: the first one stands for them
    if isinstance(prompt, str):
        texts.append(prompt[:INSTRUCTION_CHARACTERS])
    elif isinstance(prompt, list) and prompt:
        texts.append(repr(prompt[:_TOKENS]))


def _texts(content: Any) -> list[str]:
    """Return the texts of a message's content, and the addresses of its pictures."""
    if isinstance(content, str):
        return [content]
    if not isinstance(content, list):
        return []
    texts: list[str] = []
    for part in content[:_MOST_PARTS]:
        if not isinstance(part, dict):
            continue
        text = part.get("text")
        if not isinstance(text, str):
            image = part.get("image_url")
            text = image.get("url") if isinstance(image, dict) else image
        if isinstance(text, str):
            texts.append(text)
    return texts


def _digest(texts: list[str]) -> int:
    # JSON may hold half of a surrogate pair, which UTF-8 has no bytes for.
    head = "\0".join(texts).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(head, digest_size=8).digest(), "big")
