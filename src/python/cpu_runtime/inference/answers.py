"""llama.cpp's answers as OpenAI's clients expect them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson

Document = dict[str, Any]
Count = Callable[[int, int], None]
"""Takes how many prompt tokens and generated tokens have come since it was called last."""

DONE = b"data: [DONE]\n\n"


def whole(document: Document, name: str, count: Count) -> bytes:
    """Return a whole answer."""
    usage = document.get("usage") or {}
    count(usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0))
    return orjson.dumps(_tidy(document, name))


async def events(
    chunks: AsyncIterator[Document], name: str, include_usage: bool, count: Count
) -> AsyncIterator[bytes]:
    """Give the events of a stream.

    llama.cpp puts the usage into a chunk of its own for chats, and into the last chunk for
    completions; OpenAI always sends it alone, at the end, and only to those who want it.

    Args:
        count: is told of each token when it comes, and at the end of what was not seen coming:
            tokens that ended in the middle of a character, or of a word to stop at.
    """
    usage: Document = {}
    last: Document = {}
    seen = 0
    async for chunk in chunks:
        usage = chunk.pop("usage", None) or usage
        last = _tidy(chunk, name)
        if not last.get("choices"):
            continue
        if any(_has_text(choice) for choice in last["choices"]):
            seen += 1
            count(0, 1)
        yield _event(last)
    count(usage.get("prompt_tokens", 0), max(0, usage.get("completion_tokens", 0) - seen))
    if include_usage:
        yield _event({**last, "choices": [], "usage": usage})
    yield DONE


def _tidy(document: Document, name: str) -> Document:
    document["model"] = name
    document.pop("timings", None)
    if document.get("object") == "text_completion":
        # llama.cpp gives completions the ids of chats.
        document["id"] = str(document.get("id", "")).replace("chatcmpl-", "cmpl-", 1)
    for choice in document.get("choices", ()):
        delta = choice.get("delta", {})
        if "role" in delta and delta.get("content") is None:
            delta["content"] = ""
    return document


def _has_text(choice: Document) -> bool:
    return bool(choice.get("text")) or any(
        value for key, value in choice.get("delta", {}).items() if key != "role"
    )


def _event(document: Document) -> bytes:
    return b"data: " + orjson.dumps(document) + b"\n\n"
