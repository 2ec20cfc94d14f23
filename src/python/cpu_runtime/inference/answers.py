"""Chats and completions as OpenAI's clients expect them in streams."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import orjson

Document = dict[str, Any]

DONE = b"data: [DONE]\n\n"


async def events(
    chunks: AsyncIterator[Document], include_usage: bool
) -> AsyncGenerator[bytes, None]:
    """Give the events of a stream: the usage comes alone, at the end, for those who want it."""
    async for chunk in chunks:
        chunk.pop("prompt_progress", None)
        if chunk["choices"] or (include_usage and "usage" in chunk):
            yield b"data: " + orjson.dumps(chunk) + b"\n\n"
    yield DONE
