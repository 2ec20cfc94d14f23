"""A text that ends in a loop is recognised, in whatever pieces it came."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_provider.familiar_events import FamiliarEvents
from llm_provider.repetition import LOOP_BYTES, TAIL_BYTES, TIMES, TextTail, ends_in_loop
from llm_provider.stream_observer import StreamObserver
from llm_provider.typed_observers import MessagesObserver, ResponsesObserver

PROSE = (
    b"A canary release gives a small share of the traffic to a new version and compares it with "
    b"the old one. If the new version fails more often, or is slower than it may be, all traffic "
    b"goes back. Otherwise its share grows step by step until it has everything, and the old "
    b"version can be switched off. Nobody has to watch it at night, which is the point of it all."
)


def test_prose_is_no_loop() -> None:
    assert not ends_in_loop(PROSE)
    assert not ends_in_loop(PROSE[:LOOP_BYTES] * 2)  # said twice is not yet stuck
    assert not ends_in_loop(b"")
    assert not ends_in_loop(b"no " * 20)  # too short to say
    assert not ends_in_loop(b"the " * 200 + PROSE)  # it found its way out


@given(
    unit=st.binary(min_size=1, max_size=TAIL_BYTES // TIMES),
    before=st.binary(max_size=300),
    cut=st.integers(0, 400),
)
def test_any_loop_is_found(unit: bytes, before: bytes, cut: int) -> None:
    times = TIMES + LOOP_BYTES // len(unit) + 1
    text = before + unit * times
    end = len(text) - cut % len(unit)
    assert ends_in_loop(text[:end])


@given(text=st.binary(max_size=5000), sizes=st.lists(st.integers(1, 700), min_size=1))
def test_pieces_do_not_matter(text: bytes, sizes: list[int]) -> None:
    tail, start, turn = TextTail(), 0, 0
    while start < len(text):
        size = sizes[turn % len(sizes)]
        tail.add(text[start : start + size])
        start, turn = start + size, turn + 1
    assert tail.loops is ends_in_loop(text)


@pytest.mark.parametrize(
    ("observer", "event"),
    [
        (StreamObserver(), b'{"choices":[{"index":0,"delta":{"content":"%b"}}]}'),
        (StreamObserver(), b'{"choices":[{"index":0,"delta":{"reasoning":"%b"}}]}'),
        (StreamObserver(), b'{"choices":[{"index":0,"text":"%b"}]}'),
        (ResponsesObserver(), b'{"type":"response.output_text.delta","delta":"%b"}'),
        (MessagesObserver(), b'{"type":"content_block_delta","delta":{"text":"%b"}}'),
        (MessagesObserver(), b'{"type":"content_block_delta","delta":{"thinking":"%b"}}'),
    ],
)
def test_the_text_of_events_is_found(
    observer: StreamObserver | ResponsesObserver | MessagesObserver, event: bytes
) -> None:
    observer.feed(b"data: " + event % rb"no\" way\n" + b"\n\n")
    assert (observer.content_chunks, observer.text) == (1, 'no" way\n')


def test_what_is_no_text_is_none() -> None:
    observer = StreamObserver()
    observer.feed(b'data: {"choices":[{"delta":{"content":"so"}}]}\n\n')
    observer.feed(b'data: {"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}\n\n')
    assert (observer.content_chunks, observer.text) == (2, "")


def test_familiar_events_are_part_of_it() -> None:
    tail = TextTail()
    familiar = FamiliarEvents(tail)
    event = b'data: {"choices":[{"index":0,"delta":{"content":" the"}}]}\n\n'
    familiar.learn(event, event)
    for _ in range(LOOP_BYTES):
        assert familiar.rewritten(event) == event
    assert tail.loops
