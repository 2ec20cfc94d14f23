"""The model's name changes in every event of a stream, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_provider.errors import EventTooLarge
from llm_provider.model_rewrite import StreamModelRewriter, rewrite_request_model

NEW = 'org/"näme" 漢'

_EVENT_DATA = st.one_of(
    st.builds(
        bytes.__add__,
        # Engines begin the events of an answer alike, and rarely one unlike the others.
        st.sampled_from([b'{"id":"1","model":"old",', b'{"id":"2","model": "older" ,\n']),
        st.sampled_from(
            [
                b'"choices":[{"delta":{"content":"\\n\\"model\\":\\"x\\""}}]}',
                b'"model":"old"}',
                b'"x":{"model":"nested"}}',
                b'"m\\u006fdel":"old"}',
                b'"x":"\\u006d"}',
                b'"cut',
            ]
        ),
    ),
    st.sampled_from([b"[DONE]", b'{"error": {"message": "model"}}', b"{", b'{"x":1}', b'"model"']),
)


def _event(data: bytes, end: bytes, prefix: bytes, opening: bytes) -> bytes:
    lines = [prefix + line for line in data.replace(b"\r\n", b"\n").split(b"\n")]
    return opening + end.join([*lines, b"", b""])


@st.composite
def streams(draw: st.DrawFn) -> list[tuple[bytes, bytes]]:
    """Events before and after, each with its empty line."""
    events = []
    for data in draw(st.lists(_EVENT_DATA, min_size=1, max_size=6)):
        end = draw(st.sampled_from([b"\n", b"\r\n", b"\r"]))
        prefix = draw(st.sampled_from([b"data: ", b"data: ", b"data:"]))
        opening = draw(st.sampled_from([b"", b"", b": ping" + end, b"event: x" + end]))
        after = rewrite_request_model(data, NEW)
        events.append((_event(data, end, prefix, opening), _event(after, end, prefix, opening)))
    return events


@given(streams(), st.lists(st.integers(0, 100_000), max_size=8))
def test_every_event_of_a_stream_is_rewritten_however_it_is_split(
    events: list[tuple[bytes, bytes]], places: list[int]
) -> None:
    stream = b"".join(before for before, _ in events)
    at = sorted(place % (len(stream) + 1) for place in places)
    rewriter = StreamModelRewriter(NEW)
    reads = [stream[a:b] for a, b in zip([0, *at], [*at, len(stream)], strict=True)]
    out = [rewriter.feed(read) for read in reads]
    assert b"".join([*out, rewriter.finish()]) == b"".join(after for _, after in events)


def test_only_whole_events_go_on() -> None:
    rewriter = StreamModelRewriter("new")
    assert rewriter.feed(b'data: {"model":"o') == b""
    assert rewriter.feed(b'ld","n":1}\n') == b""
    assert rewriter.feed(b'\ndata: {"mod') == b'data: {"model":"new","n":1}\n\n'
    assert rewriter.finish() == b'data: {"mod'


def test_half_an_event_at_the_end_goes_on_with_its_model_replaced_if_it_is_there() -> None:
    rewriter = StreamModelRewriter("new")
    assert rewriter.feed(b'data: {"model":"old","choices":[{"del') == b""
    assert rewriter.finish() == b'data: {"model":"new","choices":[{"del'


def test_a_broken_event_does_not_spoil_the_next() -> None:
    rewriter = StreamModelRewriter("new")
    broken = b'data: {"id":1,"model":"\n\n'
    assert rewriter.feed(broken) == broken
    assert rewriter.feed(b'data: {"id":1,"model":"old"}\n\n') == b'data: {"id":1,"model":"new"}\n\n'


def test_a_string_over_two_lines_is_no_json_and_its_lines_stay() -> None:
    stream = b'data: {"model":"a\ndata: b"}\n\n'
    assert StreamModelRewriter("new").feed(stream) == stream


def test_an_event_without_end_is_an_error() -> None:
    rewriter = StreamModelRewriter("new", "gpu-0", max_event_bytes=64)
    with pytest.raises(EventTooLarge, match="gpu-0"):
        rewriter.feed(b"data: " + b"x" * 64)
