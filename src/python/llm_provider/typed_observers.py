"""What became of a stream whose events say their type: OpenAI's Responses, Anthropic's Messages.

https://platform.openai.com/docs/api-reference/responses-streaming
https://docs.anthropic.com/en/docs/build-with-claude/streaming
"""

# compiled: runs for each request.

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from llm_provider.engine_errors import error_in_event
from llm_provider.json_text import read_json
from llm_provider.provider import JsonObject
from llm_provider.sse import DEFAULT_MAX_EVENT_BYTES, EventSplitter, data_of
from llm_provider.stream_observer import DONE, Ending


class _TypedObserver(ABC):
    """Fed a stream as it passes, in any pieces; never changes it and never raises on its content.

    Args:
        upstream: named in errors.
        max_event_bytes: the size of an event at most.

    Attributes:
        content_chunks: events that carried something the model made.
        text: what the last of them brought, if it was text.
        usage: the last token usage that was reported.
        finish_reason: why the answer ends, in the protocol's word; None until it is known.
        in_band_error: the first error that came as an event, as the engine wrote it.
        done: the event that ends an answer was seen.
        finished: it was told why the answer ends, whether the end itself was seen or not.
        malformed: events whose data is no JSON object.
    """

    __slots__ = (
        "_splitter",
        "content_chunks",
        "done",
        "finish_reason",
        "finished",
        "in_band_error",
        "malformed",
        "text",
        "usage",
    )

    def __init__(
        self, upstream: str = "", *, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES
    ) -> None:
        self._splitter = EventSplitter(upstream, max_event_bytes=max_event_bytes)
        self.content_chunks = 0
        self.text = ""
        self.usage: JsonObject | None = None
        self.in_band_error: JsonObject | None = None
        self.done = False
        self.finished = False
        self.finish_reason: str | None = None
        self.malformed = 0

    def feed(self, chunk: bytes) -> None:
        """Look at the next bytes of the stream.

        Raises:
            EventTooLarge: an event does not end within the limit.
        """
        for block in self._splitter.feed(chunk):
            self.see(block)

    def see(self, block: bytes) -> None:
        """Look at one block, as `sse.EventSplitter` cuts them."""
        data = data_of(block)
        if data is not None and data.strip() != DONE:
            self._observe(data)

    @property
    def truncated(self) -> bool:
        """Whether, if nothing more comes, the answer lacks its end."""
        return not self.done

    @property
    def ending(self) -> Ending:
        """How the stream ended, if nothing more comes."""
        if self.in_band_error is not None:
            return "in_band_error"
        if self.truncated:
            return "truncated"
        return "malformed" if self.malformed else "complete"

    def _observe(self, data: bytes) -> None:
        try:
            document = read_json(data)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            self.malformed += 1
            return
        kind = document.get("type")
        if isinstance(kind, str):
            self._observe_event(kind, document)
        if self.in_band_error is None:
            self.in_band_error = error_in_event(document)

    @abstractmethod
    def _observe_event(self, kind: str, document: JsonObject) -> None:
        """Take note of an event of a type."""


class ResponsesObserver(_TypedObserver):
    """Observes OpenAI's Responses; the arguments and attributes are those of every observer."""

    __slots__ = ()

    def _observe_event(self, kind: str, document: JsonObject) -> None:
        if kind.endswith(".delta"):
            self.content_chunks += 1
            self.text = _text(document.get("delta"))
        elif kind in ("response.completed", "response.incomplete", "response.failed"):
            self.done = self.finished = True
            self.finish_reason = kind.removeprefix("response.")
            response = document.get("response")
            if not isinstance(response, dict):
                return
            usage = response.get("usage")
            if isinstance(usage, dict):
                self.usage = usage


class MessagesObserver(_TypedObserver):
    """Observes Anthropic's Messages; the arguments and attributes are those of every observer."""

    __slots__ = ()

    def _observe_event(self, kind: str, document: JsonObject) -> None:
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
                self.finished = True
                self.finish_reason = reason
        elif kind == "message_stop":
            self.done = True

    def _add_usage(self, usage: Any) -> None:
        """Keep what was told before: the end may tell of the output alone."""
        if isinstance(usage, dict):
            told = {name: value for name, value in usage.items() if value is not None}
            self.usage = {**(self.usage or {}), **told}


def _text(made: Any) -> str:
    return made if isinstance(made, str) else ""
