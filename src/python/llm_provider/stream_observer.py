"""What became of a stream of chat or text completions, told from its events alone. Pure."""

# compiled: runs for each request.

from __future__ import annotations

from typing import Final, Literal

from llm_provider.byte_search import holds
from llm_provider.engine_errors import error_in
from llm_provider.json_text import read_json
from llm_provider.provider import JsonObject
from llm_provider.sse import DEFAULT_MAX_EVENT_BYTES, EventSplitter, data_of

Ending = Literal["complete", "in_band_error", "malformed", "truncated", "unfinished"]
"""unfinished: the end came, and for some choice no finish reason before it."""

DONE: Final = b"[DONE]"

_CONTENT_FIELDS: Final = (
    "content",
    "reasoning_content",
    "reasoning",
    "tool_calls",
    "function_call",
    "refusal",
    "audio",
)
"""Where a delta carries what the model made. A role alone is none of it."""


class StreamObserver:
    """Fed a stream as it passes, in any pieces; never changes it and never raises on its content.

    Args:
        upstream: named in errors.
        max_event_bytes: the size of an event at most.

    Attributes:
        content_chunks: events that carried something the model made. The first of them is the first
            token; the opening event that holds only a role is not.
        usage: the last token usage that was reported.
        finish_reasons: by choice.
        text: what the last of them brought, if it was text.
        in_band_error: the first error that came as an event, as the engine wrote it.
        done: `[DONE]` was seen. Engines send it after an in-band error too.
        malformed: events that are neither JSON objects nor `[DONE]`.
    """

    __slots__ = (
        "_choices",
        "_splitter",
        "content_chunks",
        "done",
        "finish_reasons",
        "in_band_error",
        "malformed",
        "text",
        "usage",
    )

    def __init__(
        self, upstream: str = "", *, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES
    ) -> None:
        self._splitter = EventSplitter(upstream, max_event_bytes=max_event_bytes)
        self._choices: set[int] = set()
        self.content_chunks = 0
        self.text = ""
        self.usage: JsonObject | None = None
        self.finish_reasons: dict[int, str] = {}
        self.in_band_error: JsonObject | None = None
        self.done = False
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
        if data is not None:
            self.observe(data)

    def observe(self, data: bytes) -> JsonObject | None:
        """Look at the data of one event and return it parsed, or None if it is no object."""
        if data == DONE or data.strip() == DONE:
            self.done = True
            return None
        try:
            document = read_json(data)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            self.malformed += 1
            return None
        brings_content = self._observe_document(document)
        # An error beside content is an `error` of its choice; nearly no event of content has one.
        if self.in_band_error is None and not (brings_content and not holds(data, b"error")):
            self.in_band_error = error_in(document)
        return document

    @property
    def truncated(self) -> bool:
        """Whether, if nothing more comes, the answer lacks its end."""
        return not self.done

    @property
    def finished(self) -> bool:
        """Whether there is a finish reason for every choice that was begun, and there is one."""
        return bool(self.finish_reasons) and self._choices.issubset(self.finish_reasons)

    @property
    def finish_reason(self) -> str | None:
        """Why the answer ends, by the choice that was the first to say so; None if none did."""
        return next(iter(self.finish_reasons.values()), None)

    @property
    def ending(self) -> Ending:
        """How the stream ended, if nothing more comes."""
        if self.in_band_error is not None:
            return "in_band_error"
        if self.truncated:
            return "truncated"
        if not self.finished:
            return "unfinished"
        return "malformed" if self.malformed else "complete"

    def _observe_document(self, document: JsonObject) -> bool:
        """Take note of an event and return whether it brings content."""
        has_content = False
        choices = document.get("choices")
        if choices.__class__ is list:
            for choice in choices:
                if choice.__class__ is dict and self._observe_choice(choice):
                    has_content = True
            if has_content:
                self.content_chunks += 1
        usage = document.get("usage")
        if usage.__class__ is dict:
            self.usage = usage
        return has_content

    def _observe_choice(self, choice: JsonObject) -> bool:
        """Take note of a choice and return whether it brings content."""
        index = choice.get("index", 0)
        if index.__class__ is not int:
            index = 0
        self._choices.add(index)
        reason = choice.get("finish_reason")
        if reason.__class__ is str and reason:  # some write "" for "not yet"
            self.finish_reasons[index] = reason
        delta = choice.get("delta")
        made = _content_of(delta) if delta.__class__ is dict else choice.get("text")
        if not made:
            return False
        self.text = made if isinstance(made, str) else ""
        return True


def _content_of(delta: JsonObject) -> object:
    """Return what the model made, the first of it if there are several things; None for nothing."""
    for field in _CONTENT_FIELDS:
        made = delta.get(field)
        if made:
            return made
    return None
