"""What goes out of a stream, and what is noted of it, whichever way its events come.

An event that is like the one before is passed on without being read. Here every event is, by the
same parts, and both must agree.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, MutableMapping
from itertools import chain, pairwise
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

from hypothesis import example, given
from hypothesis import strategies as st

from llm_provider.model_rewrite import StreamModelRewriter
from llm_provider.provider import Sink
from llm_provider.sse import EventSplitter
from llm_provider.stream_observer import StreamObserver
from llm_provider.stream_usage import is_usage_chunk
from llm_provider.token_usage import token_usage
from querylake_api.http_server.asgi_exchange import AsgiExchange
from querylake_api.inference.answer import Answer
from querylake_api.inference.call import Call
from querylake_api.inference.catalog import Model, Target
from querylake_api.inference.routes import ENDPOINTS
from querylake_api.inference.stream import StreamDelivery
from querylake_api.requests.identity import RequestIdentity
from querylake_api.requests.record import Progress, ResponseContent, Workload
from querylake_api_testing.engines import named_engine
from querylake_api_testing.valid_keys import valid_key

NAME = "chatty"
ENGINE = named_engine("engine")

_plain = st.sampled_from([" fox", "The", "", "a", "{}", "model", "content", " ", ":", "[DONE]"])
_hard = st.sampled_from(['"', "\\", "\n", "é", "漢", '"content":"x"', "\x7f", "\\u006d"])
_words = st.one_of(_plain, _plain, _plain, _hard, st.text(max_size=3))
_finish = st.sampled_from([None, None, None, None, "stop"])


class Shape(NamedTuple):
    """All of an event but the words it brings."""

    keys: tuple[str, ...]
    choices: int
    finish: str | None
    extra: dict[str, Any]
    write: Callable[[object], str]

    def event(self, word: str) -> bytes:
        """Return the event that brings a word."""
        delta = dict.fromkeys(self.keys, word)
        brought = delta if "text" in self.keys else {"delta": delta}
        choices = [
            {"index": index, "finish_reason": self.finish} | brought
            for index in range(self.choices)
        ]
        document = {"id": "chatcmpl-1", "model": "inner", "choices": choices} | self.extra
        return f"data: {self.write(document)}\n\n".encode()


def _usage(completed: int) -> dict[str, Any]:
    return {"usage": {"prompt_tokens": 3, "completion_tokens": completed}}


_extras: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {},
        {},
        {},
        _usage(5),
        _usage(6),
        {"error": {"message": "it broke", "content": "x"}},
        {"object": "error", "text": "it broke"},
        {"content": "at the top"},
        {"model": "again", "other": {"content": "inside"}},
    ]
)
_writers: st.SearchStrategy[Callable[[object], str]] = st.sampled_from(
    [
        lambda document: json.dumps(document, separators=(",", ":")),
        lambda document: json.dumps(document, separators=(",", ":")),
        lambda document: json.dumps(document, ensure_ascii=False),
    ]
)


_raw = st.sampled_from(
    [
        b": still here\n\n",
        b"data: [DONE]\n\n",
        b"data: no JSON\n\n",
        b'data: {"model":"inner","choices":[{"delta":{"content":"\xff"}}]}\n\n',
        b'data: {"model":"inner","choices":[{"delta":{"content":"a"}}]}\r\n\r\n',
        b'event: x\ndata: {"model":"inner","choices":[{"delta":{"content":"a"}}]}\n\n',
    ]
)
_shapes = st.builds(
    Shape,
    st.sampled_from([("content",), ("content",), ("reasoning",), ("text",), ("role", "content")]),
    st.sampled_from([1, 1, 1, 2]),
    _finish,
    _extras,
    _writers,
)


def _spoken(shape: Shape, words: list[str]) -> list[bytes]:
    return [shape.event(word) for word in words]


_spells = st.builds(_spoken, _shapes, st.lists(_words, min_size=1, max_size=8))
_events = st.lists(st.one_of(_spells, _spells, _raw.map(lambda event: [event])), max_size=6).map(
    lambda spells: list(chain.from_iterable(spells))
)


_ONE = Shape(("content",), 1, None, {}, json.dumps)
_TWO = _ONE._replace(choices=2)
_LAST = _ONE._replace(finish="stop")
_CRLF = _ONE.event("a").replace(b"\n", b"\r\n")
_DONE = b"data: [DONE]\n\n"


@example([_ONE._replace(extra=_usage(count)).event("a") for count in (5, 6)], [], True)
@example([_ONE.event("a"), _TWO.event("a"), _LAST.event("a"), _DONE], [], True)
@example([_ONE.event("a"), _ONE.event(""), _ONE.event("b"), _DONE], [], True)
@example([_CRLF] * 2, [len(_CRLF) - 1, 2 * len(_CRLF) - 1], True)
@given(_events, st.lists(st.integers(0, 4000), max_size=20), st.booleans())
def test_familiar_events_are_told_and_passed_on_as_if_they_were_read(
    events: list[bytes], cuts: list[int], together: bool
) -> None:
    whole = b"".join(events)
    ends = {sum(map(len, events[:count])) for count in range(len(events))}
    marks = sorted({0, len(whole)} | ends | {cut for cut in cuts if cut < len(whole)})
    pieces = [whole[start:end] for start, end in pairwise(marks)]
    sent, content, progress = asyncio.run(_passed(pieces, together))

    observer = StreamObserver()
    rewriter = StreamModelRewriter(NAME)
    expected = b""
    splitter = EventSplitter()
    for block in chain.from_iterable(map(splitter.feed, pieces)):
        observer.see(block)
        if not is_usage_chunk(block):
            expected += rewriter.rewrite(block)
    assert sent.startswith(expected)
    usage = token_usage(observer.usage)
    assert (content.prompt_tokens, content.completion_tokens) == (usage.prompt, usage.completion)
    assert content.chunks == observer.content_chunks
    assert content.ending == observer.ending
    assert (progress.first_token_at is not None) == (observer.content_chunks > 0)


async def _passed(pieces: list[bytes], together: bool) -> tuple[bytes, ResponseContent, Progress]:
    """Pass a stream on, and return the events of it that went out, and what was noted.

    Args:
        together: whether the last piece comes with the stream's end.
    """
    first, *others = pieces or [b": nothing\n\n"]
    last = others.pop() if others and together else b""
    sent: list[bytes] = []

    async def pump(sink: Sink) -> bytes:
        for piece in others:
            drain = sink(piece)
            if drain is not None:
                await drain
        return last

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message.get("body", b""))

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError("everything was received")

    key, identity = valid_key("key_1"), RequestIdentity("r", "POST", "/v1/chat/completions")
    target = Target(ENGINE, "inner", "stable")
    answer = Answer(target, 200, {}, first, None)
    model = Model(NAME, (), frozenset({"chat"}), (target,), ())
    call = Call(ENDPOINTS[0], model, NAME, b"{}", True, key, identity, Workload())
    exchange = AsgiExchange({"headers": []}, receive, send)
    rest = cast("Any", SimpleNamespace(pump=pump))
    delivery = StreamDelivery(answer, rest, call, exchange, progress := Progress())
    await delivery.run()
    await exchange.finish()
    return b"".join(sent), delivery.content, progress
