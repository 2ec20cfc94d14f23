"""Event streams mean the same however their bytes arrive."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_provider.errors import EventTooLarge
from llm_provider.sse import BYTE_ORDER_MARK, Event, EventParser, EventSplitter

_LINE_ENDS = [b"\n", b"\r", b"\r\n"]
_VALUES = [
    b"",
    b"x",
    b" x",
    b"  two spaces",
    "Füße 漢字 🦆".encode(),
    b"a:b",
    b"\xff\xc3",
    b"[DONE]",
]

_lines = st.one_of(
    st.sampled_from(
        [b"", b"", b"data", b"event", b"dataset: x", b" data: x", b"id: 1", b"retry:2"]
    ),
    st.builds(
        lambda name, value: name + b":" + value,
        st.sampled_from([b"data", b"data", b"data", b"event", b"", b"Data"]),
        st.sampled_from(_VALUES),
    ),
)
_written_lines = st.lists(
    st.builds(lambda line, end: line + end, _lines, st.sampled_from(_LINE_ENDS)), max_size=12
)
_tails = st.sampled_from([b"", b"data: unfinished", b"data: \xe6\xbc", b": ping"])

streams = st.one_of(
    st.builds(
        lambda mark, lines, tail: mark + b"".join(lines) + tail,
        st.sampled_from([b"", b"", BYTE_ORDER_MARK]),
        _written_lines,
        _tails,
    ),
    # Short streams of nothing but what matters reach every order of it.
    st.lists(st.sampled_from([b"\n", b"\r", b":", b"data:1", b"event:e"])).map(b"".join),
)


def reference_events(stream: bytes) -> list[Event]:
    """The algorithm of WHATWG HTML, section 9.2.6, word for word and all at once."""
    text = stream.removeprefix(BYTE_ORDER_MARK).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    *lines, _unfinished = text.split(b"\n")
    events: list[Event] = []
    data, event_type = b"", b""
    for line in lines:
        if line == b"":
            if data != b"":
                kind = event_type.decode("utf-8", "replace") or "message"
                events.append(Event(data.removesuffix(b"\n"), kind))
            data, event_type = b"", b""
            continue
        if line.startswith(b":"):
            continue
        name, value = line.split(b":", 1) if b":" in line else (line, b"")
        value = value[1:] if value.startswith(b" ") else value
        if name == b"data":
            data += value + b"\n"
        elif name == b"event":
            event_type = value
    return events


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    """Cut a stream into reads, some of them empty."""
    at = sorted(place % (len(stream) + 1) for place in places)
    return [stream[a:b] for a, b in zip([0, *at], [*at, len(stream)], strict=True)]


def parsed(reads: list[bytes]) -> list[Event]:
    """Feed reads to a parser and return all events."""
    parser = EventParser()
    return [event for read in reads for event in parser.feed(read)]


_places = st.lists(st.integers(0, 10_000), max_size=12)


@given(streams, _places)
@example(b": ping\rdata: one\ndata: two\n\n", [17])
@example(b"data: one\r\r\ndata: two\n\n", [11])
def test_any_split_gives_the_events_of_the_standard(stream: bytes, places: list[int]) -> None:
    assert parsed(cut(stream, places)) == reference_events(stream)


@given(streams)
def test_so_does_every_single_byte_on_its_own(stream: bytes) -> None:
    assert parsed([bytes([byte]) for byte in stream]) == reference_events(stream)


@given(st.one_of(streams, st.binary(max_size=60)), _places)
def test_what_the_splitter_returns_is_what_it_was_fed(stream: bytes, places: list[int]) -> None:
    splitter = EventSplitter()
    blocks = [block for read in cut(stream, places) for block in splitter.feed(read)]
    assert b"".join(blocks) + splitter.finish() == stream
    assert splitter.finish() == b""


@given(st.lists(st.sampled_from(_VALUES[1:]), min_size=1, max_size=5), st.integers(0, 400))
def test_an_event_is_out_as_soon_as_its_last_byte_is_in(values: list[bytes], place: int) -> None:
    blocks = [b"data: " + value + b"\n\n" for value in values]
    stream = b"".join(blocks)
    place %= len(stream) + 1
    splitter = EventSplitter()
    early = splitter.feed(stream[:place])
    complete = sum(1 for i in range(len(blocks)) if len(b"".join(blocks[: i + 1])) <= place)
    assert early == blocks[:complete]
    assert early + splitter.feed(stream[place:]) == blocks


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: one\n\ndata: two\n\n", [Event(b"one"), Event(b"two")]),
        (b"data: one\r\n\r\ndata: two\r\n\r\n", [Event(b"one"), Event(b"two")]),
        (b"data: one\r\rdata: two\r\r", [Event(b"one"), Event(b"two")]),
        (b"data: one\n\r\ndata: two\r\n\n", [Event(b"one"), Event(b"two")]),
        (b"data: one\r\ndata: two\r\n\r\n", [Event(b"one\ntwo")]),
        (b"data\ndata\n\ndata:\n\n", [Event(b"\n"), Event(b"")]),
        (b": ping - 2026\n\ndata: x\n\n", [Event(b"x")]),
        (b"event: error\ndata: x\n\ndata: y\n\n", [Event(b"x", "error"), Event(b"y")]),
        (b"event: a\nevent: b\ndata: x\n\n", [Event(b"x", "b")]),
        (b"event: lost\n\ndata: x\n\n", [Event(b"x")]),
        (b"event: \xff\ndata: x\n\n", [Event(b"x", "\ufffd")]),
        (BYTE_ORDER_MARK + b"data: x\n\n", [Event(b"x")]),
        (b"data:x\ndata: x\ndata:  x\n\n", [Event(b"x\nx\n x")]),
        (b"data: x\nid: 1\nretry: 5\nfoo\n\n", [Event(b"x")]),
        (b"\n\n\ndata: x\n\n\n\n", [Event(b"x")]),
    ],
)
def test_examples(stream: bytes, events: list[Event]) -> None:
    assert parsed([stream]) == events == reference_events(stream)


@pytest.mark.parametrize(
    "rest", [b"data: two", b"data: two\n", b"data: two\r\n", b"event: e\ndata: two\n"]
)
def test_an_event_without_its_empty_line_is_dropped(rest: bytes) -> None:
    assert parsed([b"data: one\n\n" + rest]) == [Event(b"one")]
    splitter = EventSplitter()
    splitter.feed(b"data: one\n\n" + rest)
    assert splitter.finish() == rest


def test_a_comment_goes_on_before_its_empty_line() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b": pi") == []
    assert splitter.feed(b"ng\n") == [b": ping\n"]
    assert splitter.feed(b"data: x\n\n") == [b"data: x\n\n"]


def test_a_character_split_over_reads_stays_whole() -> None:
    event = "data: 🦆\n\n".encode()
    assert parsed([event[:8], event[8:9], event[9:]]) == [Event("🦆".encode())]


def test_an_event_that_does_not_end_within_the_limit_is_an_error() -> None:
    parser = EventParser("gpu-0", max_event_bytes=100)
    assert parser.feed(b"data: " + b"x" * 94) == []  # exactly the limit
    with pytest.raises(EventTooLarge, match=r"'gpu-0'.* larger than 100 bytes") as caught:
        parser.feed(b"x")
    assert caught.value.limit == 100
    assert caught.value.upstream == "gpu-0"


@pytest.mark.parametrize("opening", [b"data: ", b": ", b"", b"\xff"])
def test_the_limit_bounds_what_is_held_of_an_endless_event(opening: bytes) -> None:
    splitter = EventSplitter(max_event_bytes=1000)
    fed = 0
    with pytest.raises(EventTooLarge):  # noqa: PT012 - how much goes in before is the point
        for read in [opening, *[b"y" * 64] * 100]:
            splitter.feed(read)
            fed += len(read)
    assert fed <= 1000


def test_the_limit_is_for_each_event_and_not_for_the_stream() -> None:
    parser = EventParser(max_event_bytes=16)
    for _ in range(100):
        assert parser.feed(b"data: 12") == []
        assert parser.feed(b"3456\n\n") == [Event(b"123456")]
