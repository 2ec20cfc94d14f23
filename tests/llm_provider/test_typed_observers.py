"""Streams of Responses and Messages, and every way in which they may end."""

from __future__ import annotations

import json

import pytest

from llm_provider.model_rewrite import StreamModelRewriter
from llm_provider.sse import EventSplitter
from llm_provider.typed_observers import MessagesObserver, ResponsesObserver


def event(kind: str, **fields: object) -> bytes:
    document = {"type": kind, **fields}
    return f"event: {kind}\ndata: {json.dumps(document)}\n\n".encode()


RESPONSE = {"id": "resp_1", "model": "Real/M", "output": []}
CREATED = event("response.created", response=RESPONSE, sequence_number=0)
DELTA = event("response.output_text.delta", delta="Par", item_id="msg_1", sequence_number=1)
COMPLETED = event(
    "response.completed",
    response={**RESPONSE, "usage": {"input_tokens": 37, "output_tokens": 8, "total_tokens": 45}},
    sequence_number=2,
)

START = event(
    "message_start",
    message={"id": "msg_1", "model": "Real/M", "usage": {"input_tokens": 37, "output_tokens": 0}},
)
TEXT = event("content_block_delta", index=0, delta={"type": "text_delta", "text": "Par"})
PING = event("ping")
MESSAGE_DELTA = event(
    "message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 8}
)
STOP = event("message_stop")


def bytewise(observer: ResponsesObserver | MessagesObserver, stream: bytes) -> None:
    for byte in stream:
        observer.feed(bytes([byte]))


def test_a_response() -> None:
    observer = ResponsesObserver()
    bytewise(observer, CREATED + DELTA + DELTA)
    assert (observer.done, observer.ending, observer.content_chunks) == (False, "truncated", 2)
    bytewise(observer, COMPLETED + b"data: [DONE]\n\n")
    assert (observer.done, observer.ending) == (True, "complete")
    assert observer.usage == {"input_tokens": 37, "output_tokens": 8, "total_tokens": 45}


def test_a_response_that_met_its_limit_is_complete() -> None:
    observer = ResponsesObserver()
    observer.feed(CREATED + event("response.incomplete", response=RESPONSE))
    assert observer.ending == "complete"


@pytest.mark.parametrize(
    "failure",
    [
        event("response.failed", response={**RESPONSE, "error": {"message": "died"}}),
        event("error", message="died", code=None, param=None),
        b'data: {"error": {"message": "died"}}\n\n',
    ],
)
def test_a_response_that_failed(failure: bytes) -> None:
    observer = ResponsesObserver()
    observer.feed(CREATED + DELTA + failure)
    assert observer.ending == "in_band_error"
    assert observer.in_band_error is not None
    assert observer.in_band_error["message"] == "died"


def test_a_message() -> None:
    observer = MessagesObserver()
    bytewise(observer, START + PING + TEXT + TEXT + MESSAGE_DELTA)
    assert (observer.done, observer.ending, observer.content_chunks) == (False, "truncated", 2)
    bytewise(observer, STOP)
    assert (observer.done, observer.ending) == (True, "complete")
    assert observer.usage == {"input_tokens": 37, "output_tokens": 8}


def test_a_message_that_failed() -> None:
    observer = MessagesObserver()
    observer.feed(START + event("error", error={"type": "overloaded_error", "message": "busy"}))
    assert observer.ending == "in_band_error"
    assert observer.in_band_error == {"type": "overloaded_error", "message": "busy"}


def test_nonsense_among_the_events_is_noted() -> None:
    observer = MessagesObserver()
    observer.feed(START + b"event: x\ndata: nonsense\n\n" + STOP)
    assert observer.ending == "malformed"


@pytest.mark.parametrize(
    ("stream", "within"),
    [(CREATED + DELTA + COMPLETED, b'"response"'), (START + PING + TEXT + STOP, b'"message"')],
)
def test_the_nested_model_is_rewritten_and_not_one_byte_besides(
    stream: bytes, within: bytes
) -> None:
    rewriter = StreamModelRewriter("mine", within=within)
    blocks = EventSplitter().feed(stream)
    assert b"".join(map(rewriter.rewrite, blocks)) == stream.replace(b'"Real/M"', b'"mine"')


def test_only_the_object_that_was_named_is_looked_into() -> None:
    document = (
        b'{"other": {"model": "a"}, "response": [{"model": "b"}], "response": {"tools": '
        b'[{"model": "c"}], "x": {"model": "d"}, "model": "e"}, "y": {"model": "f"}, "model": "g"}'
    )
    rewriter = StreamModelRewriter("mine", within=b'"response"')
    stream = b"data: " + document + b"\n\n"
    expected = stream.replace(b'"e"', b'"mine"').replace(b'"g"', b'"mine"')
    assert rewriter.rewrite(stream) == expected
    assert StreamModelRewriter("mine").rewrite(stream) == stream.replace(b'"g"', b'"mine"')
