"""Whole responses, put together from the chunks of a stream.

The engine is asked for a stream even where the client is not: tokens are counted as they come, and
whoever watches the counters sees that a long response is under way.
"""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]


class Assembly:
    """Takes chunks of all choices, in the order in which they come."""

    def __init__(self) -> None:
        self._envelope: Document = {}
        self._choices: dict[int, _Choice] = {}
        self._usage: Document = {}

    def add(self, chunk: Document) -> None:
        """Take a chunk."""
        self._usage = chunk.get("usage") or self._usage
        private = ("choices", "usage", "prompt_progress")
        self._envelope.update({name: chunk[name] for name in chunk if name not in private})
        for choice in chunk["choices"]:
            self._choices.setdefault(choice["index"], _Choice()).add(choice)

    def document(self) -> Document:
        """Return the whole response."""
        kind = str(self._envelope.get("object", "")).removesuffix(".chunk")
        choices = [
            {"index": index, **choice.whole()} for index, choice in sorted(self._choices.items())
        ]
        return {**self._envelope, "object": kind, "choices": choices, "usage": self._usage}


class _Choice:
    """One of the responses: a message, or a text."""

    def __init__(self) -> None:
        self._is_message = False
        self._texts: dict[str, list[str]] = {}
        self._calls: list[Document] = []
        self._logprobs: list[Any] = []
        self._reason: str | None = None

    def add(self, choice: Document) -> None:
        delta = choice.get("delta")
        self._is_message = self._is_message or delta is not None
        for name, value in (choice if delta is None else delta).items():
            if name in ("text", "content", "reasoning_content") and value:
                self._texts.setdefault(name, []).append(value)
        for call in (delta or {}).get("tool_calls") or ():
            self._add_call(call)
        self._logprobs += (choice.get("logprobs") or {}).get("content") or ()
        self._reason = choice.get("finish_reason") or self._reason

    def whole(self) -> Document:
        """Return the choice of a document."""
        logprobs = {"content": self._logprobs} if self._logprobs else None
        end = {"logprobs": logprobs, "finish_reason": self._reason}
        texts = {name: "".join(pieces) for name, pieces in self._texts.items()}
        if not self._is_message:
            return {"text": texts.get("text", ""), **end}
        nothing = None if self._calls else ""
        content = texts.pop("content", nothing)
        message: Document = {"role": "assistant", "content": content, **texts}
        if self._calls:
            message["tool_calls"] = self._calls
        return {"message": message, **end}

    def _add_call(self, call: Document) -> None:
        function = call.get("function") or {}
        if call["index"] == len(self._calls):
            begun = {"name": function.get("name", ""), "arguments": ""}
            self._calls.append({"id": call.get("id"), "type": "function", "function": begun})
        self._calls[call["index"]]["function"]["arguments"] += function.get("arguments") or ""
