"""What every observer of a stream does, whatever protocol its events are in. Pure."""

# compiled: runs for each request.

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final, Literal

from llm_provider.json_text import read_json
from llm_provider.provider import JsonObject
from llm_provider.sse import DEFAULT_MAX_EVENT_BYTES, EventSplitter, data_of

Ending = Literal["complete", "in_band_error", "malformed", "truncated", "unfinished"]
"""unfinished: the end came, and for some choice no finish reason before it."""

DONE: Final = b"[DONE]"


class Observer(ABC):
    """Fed a stream as it passes, in any pieces; never changes it and never raises on its content.

    Args:
        upstream: named in errors.
        max_event_bytes: the size of an event at most.

    Attributes:
        content_chunks: events that carried something the model made. The first of them is the first
            token.
        text: what the last of them brought, if it was text.
        usage: the last token usage that was reported.
        in_band_error: the first error that came as an event, as the engine wrote it.
        done: what ends a response in the protocol was seen. Engines send it after an in-band error,
            too.
        malformed: events whose data is no JSON object.
    """

    __slots__ = (
        "_splitter",
        "content_chunks",
        "done",
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
            self._observe_done()
            return None
        try:
            document = read_json(data)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            self.malformed += 1
            return None
        self._observe_event(document, data)
        return document

    @property
    @abstractmethod
    def finished(self) -> bool:
        """Whether it was told why the response ends, for every choice that was begun."""

    @property
    @abstractmethod
    def finish_reason(self) -> str | None:
        """Why the response ends, in the protocol's word; None until it is known."""

    @property
    def truncated(self) -> bool:
        """Whether, if nothing more comes, the response lacks its end."""
        return not self.done

    @property
    def ending(self) -> Ending:
        """How the stream ended, if nothing more comes."""
        if self.in_band_error is not None:
            return "in_band_error"
        if self.truncated:
            return "truncated"
        if self._lacks_reason():
            return "unfinished"
        return "malformed" if self.malformed else "complete"

    def _lacks_reason(self) -> bool:
        """Return whether a stream that has ended should have told why."""
        return False

    def _observe_done(self) -> None:
        """Take note of `[DONE]`, which most protocols do not have."""
        return

    @abstractmethod
    def _observe_event(self, document: JsonObject, data: bytes) -> None:
        """Take note of an event, also of an error in it.

        Args:
            document: an object that the event is.
            data: the same, as it came.
        """
