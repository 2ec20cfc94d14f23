"""Chats as streams of Anthropic's: https://docs.anthropic.com/en/docs/build-with-claude/streaming"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import orjson

from cpu_runtime.inference.anthropic.response import ending, envelope, usage_of

Document = dict[str, Any]

_EMPTY: dict[str, Document] = {
    "thinking": {"type": "thinking", "thinking": "", "signature": ""},
    "text": {"type": "text", "text": ""},
}


async def events(chunks: AsyncIterator[Document], model: str) -> AsyncGenerator[bytes, None]:
    """Give the events of a message. While the prompt is being read, there are pings."""
    blocks = _Blocks()
    begun = False
    reason: str | None = None
    last: Document = {}
    usage: Document = {}
    async for chunk in chunks:
        progress = chunk.get("prompt_progress")
        if not begun:
            begun = True
            tokens = progress["total"] if progress else 0
            message = {**envelope(model), "usage": usage_of(tokens, 0)}
            yield event("message_start", {"message": message})
        if progress:
            yield event("ping", {})
        usage = chunk.get("usage") or usage
        for choice in chunk["choices"]:
            for each in blocks.of(choice.get("delta") or {}):
                yield each
            if choice.get("finish_reason"):
                reason, last = choice["finish_reason"], chunk
    for each in blocks.end():
        yield each
    stop_reason, sequence = ending(reason, last)
    told = usage_of(usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0))
    delta = {"stop_reason": stop_reason, "stop_sequence": sequence}
    yield event("message_delta", {"delta": delta, "usage": told})
    yield event("message_stop", {})


def event(kind: str, fields: Document) -> bytes:
    """Return an event, which says its type twice."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **fields}))


class _Blocks:
    """The blocks of a message: one is open at a time."""

    def __init__(self) -> None:
        self._index = -1
        self._open = ""

    def of(self, delta: Document) -> list[bytes]:
        """Return the events that a delta of a chat is."""
        sent: list[bytes] = []
        if thought := delta.get("reasoning_content"):
            sent += self._in("thinking", _EMPTY["thinking"])
            sent.append(self._delta({"type": "thinking_delta", "thinking": thought}))
        if text := delta.get("content"):
            sent += self._in("text", _EMPTY["text"])
            sent.append(self._delta({"type": "text_delta", "text": text}))
        for call in delta.get("tool_calls") or ():
            function = call.get("function") or {}
            name = function.get("name")
            if name:
                block = {"type": "tool_use", "id": call["id"], "name": name, "input": {}}
                sent += self._in(f"tool {call['index']}", block)
            if arguments := function.get("arguments"):
                sent.append(self._delta({"type": "input_json_delta", "partial_json": arguments}))
        return sent

    def end(self) -> list[bytes]:
        """Return what closes the block that is open."""
        return [event("content_block_stop", {"index": self._index})] if self._open else []

    def _in(self, key: str, block: Document) -> list[bytes]:
        """Open a block, unless it is open."""
        if self._open == key:
            return []
        sent = self.end()
        self._index += 1
        self._open = key
        begin = {"index": self._index, "content_block": block}
        return [*sent, event("content_block_start", begin)]

    def _delta(self, delta: Document) -> bytes:
        return event("content_block_delta", {"index": self._index, "delta": delta})
