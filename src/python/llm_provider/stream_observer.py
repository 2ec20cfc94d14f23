"""What became of a stream of chat or text completions, told from its events alone. Pure."""

# compiled: runs for each request.

from __future__ import annotations

from typing import Final

from llm_provider.byte_search import holds
from llm_provider.engine_errors import error_in
from llm_provider.observer import Observer
from llm_provider.provider import JsonObject
from llm_provider.sse import DEFAULT_MAX_EVENT_BYTES

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


class StreamObserver(Observer):
    """Observes chat and text completions; arguments and attributes are those of every observer.

    Attributes:
        finish_reasons: by choice.
    """

    __slots__ = ("_choices", "finish_reasons")

    def __init__(
        self, upstream: str = "", *, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES
    ) -> None:
        super().__init__(upstream, max_event_bytes=max_event_bytes)
        self._choices: set[int] = set()
        self.finish_reasons: dict[int, str] = {}

    @property
    def finished(self) -> bool:
        """Whether there is a finish reason for every choice that was begun, and there is one."""
        return bool(self.finish_reasons) and self._choices.issubset(self.finish_reasons)

    @property
    def finish_reason(self) -> str | None:
        """Why the response ends, by the choice that was the first to say so; None if none did."""
        return next(iter(self.finish_reasons.values()), None)

    def _lacks_reason(self) -> bool:
        return not self.finished

    def _observe_done(self) -> None:
        self.done = True

    def _observe_event(self, document: JsonObject, data: bytes) -> None:
        has_content = False
        choices = document.get("choices")
        if isinstance(choices, list):
            for choice in choices:
                if isinstance(choice, dict) and self._observe_choice(choice):
                    has_content = True
            if has_content:
                self.content_chunks += 1
        usage = document.get("usage")
        if isinstance(usage, dict):
            self.usage = usage
        # An error beside content is an `error` of its choice; nearly no event of content has one.
        if self.in_band_error is None and not (has_content and not holds(data, b"error")):
            self.in_band_error = error_in(document)

    def _observe_choice(self, choice: JsonObject) -> bool:
        """Take note of a choice and return whether it brings content."""
        index = choice.get("index", 0)
        if index.__class__ is not int:
            index = 0
        self._choices.add(index)
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:  # some write "" for "not yet"
            self.finish_reasons[index] = reason
        delta = choice.get("delta")
        made = _content_of(delta) if isinstance(delta, dict) else choice.get("text")
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
