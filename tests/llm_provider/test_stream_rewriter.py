"""The model's name changes in every event of a stream, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from llm_provider.model_rewrite import StreamModelRewriter, rewrite_request_model
from llm_provider.sse import EventSplitter

NEW = 'org/"näme" 漢'

_EVENT_DATA = st.one_of(
    st.builds(
        bytes.__add__,
        # Engines begin the events of an answer alike, and rarely one unlike the others.
        st.sampled_from(
            [
                b'{"id":"1","model":"old",',
                b'{"id":"2","model": "older" ,\n',
                b'{"model":"old",',
                b'{"id":"model","created":17,"model":"old",',
                b'{"id":"say \\"model\\":","created":1.7,"model":"old",',
                b'{"model":7,"id":"1","model":"old",',
            ]
        ),
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


def rewritten(reads: Iterable[bytes], rewriter: StreamModelRewriter) -> bytes:
    splitter = EventSplitter()
    blocks = [block for read in reads for block in splitter.feed(read)]
    return b"".join(rewriter.rewrite(block) for block in [*blocks, splitter.finish()])


@given(streams(), st.lists(st.integers(0, 100_000), max_size=8))
def test_every_event_of_a_stream_is_rewritten_however_it_is_split(
    events: list[tuple[bytes, bytes]], places: list[int]
) -> None:
    stream = b"".join(before for before, _ in events)
    at = sorted(place % (len(stream) + 1) for place in places)
    reads = [stream[a:b] for a, b in zip([0, *at], [*at, len(stream)], strict=True)]
    assert rewritten(reads, StreamModelRewriter(NEW)) == b"".join(after for _, after in events)


def test_half_an_event_has_its_model_replaced_if_it_is_there() -> None:
    half = b'data: {"model":"old","choices":[{"del'
    assert StreamModelRewriter("new").rewrite(half) == half.replace(b"old", b"new")
    assert StreamModelRewriter("new").rewrite(b'data: {"mod') == b'data: {"mod'


def test_a_broken_event_does_not_spoil_the_next() -> None:
    rewriter = StreamModelRewriter("new")
    broken = b'data: {"id":1,"model":"\n\n'
    assert rewriter.rewrite(broken) == broken
    after = b'data: {"id":1,"model":"new"}\n\n'
    assert rewriter.rewrite(b'data: {"id":1,"model":"old"}\n\n') == after


def test_a_string_over_two_lines_is_no_json_and_its_lines_stay() -> None:
    block = b'data: {"model":"a\ndata: b"}\n\n'
    assert StreamModelRewriter("new").rewrite(block) == block
