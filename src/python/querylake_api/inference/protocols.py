"""The protocols that streams are in: how each is observed, rewritten, and told an error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llm_provider.observer import Observer
from llm_provider.stream_observer import StreamObserver
from llm_provider.typed_observers import MessagesObserver, ResponsesObserver
from querylake_api.requests.dialect import Dialect


@dataclass(frozen=True, slots=True)
class StreamProtocol:
    """One protocol.

    Attributes:
        observer: makes an observer, given the name of the engine.
        headers: those of a client by which it says what it wants of the protocol.
        end: how the last event is called, for the message that it is missing.
        model_within: the key of the object that holds `model` in an event, if not the top level.
        has_familiar_events: whether of an event that brings text it matters for the observer only
            that the text is not empty; see `llm_provider.familiar_events`.
    """

    dialect: Dialect
    observer: Callable[[str], Observer]
    end: str
    model_within: bytes | None = None
    headers: tuple[bytes, ...] = ()
    has_familiar_events: bool = False


CHUNKS = StreamProtocol(
    "openai",
    StreamObserver,
    "[DONE]",
    has_familiar_events=True,
)
"""Chat and text completions."""

RESPONSES = StreamProtocol(
    "responses", ResponsesObserver, "response.completed", model_within=b'"response"'
)

MESSAGES = StreamProtocol(
    "anthropic",
    MessagesObserver,
    "message_stop",
    model_within=b'"message"',
    headers=(b"anthropic-version", b"anthropic-beta"),
)
