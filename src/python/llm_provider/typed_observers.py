"""What became of a stream whose events say their type: OpenAI's Responses, Anthropic's Messages.

https://platform.openai.com/docs/api-reference/responses-streaming
https://docs.anthropic.com/en/docs/build-with-claude/streaming
"""

# compiled: runs for each request.

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from llm_provider.engine_errors import error_in_event
from llm_provider.observer import Observer
from llm_provider.provider import JsonObject
from llm_provider.sse import DEFAULT_MAX_EVENT_BYTES


class _TypedObserver(Observer):
    """Observes events that say their type; arguments and attributes are those of every observer."""

    __slots__ = ("_finished", "_reason")

    def __init__(
        self, upstream: str = "", *, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES
    ) -> None:
        super().__init__(upstream, max_event_bytes=max_event_bytes)
        self._finished = False
        self._reason: str | None = None

    @property
    def finished(self) -> bool:
        """Whether it was told why the response ends, whether the end itself was seen or not."""
        return self._finished

    @property
    def finish_reason(self) -> str | None:
        """Why the response ends, in the protocol's word; None until it is known."""
        return self._reason

    def _observe_event(self, document: JsonObject, data: bytes) -> None:
        kind = document.get("type")
        if isinstance(kind, str):
            self._observe_typed(kind, document)
        if self.in_band_error is None:
            self.in_band_error = error_in_event(document)

    @abstractmethod
    def _observe_typed(self, kind: str, document: JsonObject) -> None:
        """Take note of an event of a type."""


class ResponsesObserver(_TypedObserver):
    """Observes OpenAI's Responses; the arguments and attributes are those of every observer."""

    __slots__ = ()

    def _observe_typed(self, kind: str, document: JsonObject) -> None:
        if kind.endswith(".delta"):
            self.content_chunks += 1
            self.text = _text(document.get("delta"))
        elif kind in ("response.completed", "response.incomplete", "response.failed"):
            self.done = self._finished = True
            self._reason = kind.removeprefix("response.")
            response = document.get("response")
            if not isinstance(response, dict):
                return
            usage = response.get("usage")
            if isinstance(usage, dict):
                self.usage = usage


class MessagesObserver(_TypedObserver):
    """Observes Anthropic's Messages; the arguments and attributes are those of every observer."""

    __slots__ = ()

    def _observe_typed(self, kind: str, document: JsonObject) -> None:
        if kind == "content_block_delta":
            self.content_chunks += 1
            made = document.get("delta")
            self.text = (
                _text(made.get("text") or made.get("thinking")) if isinstance(made, dict) else ""
            )
        elif kind == "message_start":
            message = document.get("message")
            self._add_usage(message.get("usage") if isinstance(message, dict) else None)
        elif kind == "message_delta":
            self._add_usage(document.get("usage"))
            delta = document.get("delta")
            reason = delta.get("stop_reason") if isinstance(delta, dict) else None
            if isinstance(reason, str) and reason:
                self._finished = True
                self._reason = reason
        elif kind == "message_stop":
            self.done = True

    def _add_usage(self, usage: Any) -> None:
        """Keep what was told before: the end may tell of the output alone."""
        if isinstance(usage, dict):
            told = {name: value for name, value in usage.items() if value is not None}
            self.usage = {**(self.usage or {}), **told}


def _text(made: Any) -> str:
    return made if isinstance(made, str) else ""
