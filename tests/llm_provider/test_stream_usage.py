"""Asking for the usage of a stream, and taking only that away again."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_provider.stream_usage import asks_for_usage, is_usage_chunk, with_stream_usage
from llm_provider.token_usage import NOTHING_TOLD, TokenUsage, token_usage, usage_in

USAGE = {"prompt_tokens": 37, "total_tokens": 45, "completion_tokens": 8}


def test_nothing_but_the_wish_is_added() -> None:
    body = b' {"model" : "m", "t": 1e2, "u": "\\u00e9"} '
    assert with_stream_usage(body, None) == (
        b' {"stream_options":{"include_usage":true},"model" : "m", "t": 1e2, "u": "\\u00e9"} '
    )


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ("null", {"include_usage": True}),
        ("{}", {"include_usage": True}),
        ('{"include_usage": false}', {"include_usage": True}),
        ('{"include_usage": null, "x": {"y": [1]}}', {"include_usage": True, "x": {"y": [1]}}),
        # Alone, vLLM ignores it; together with what we add it would count in every chunk.
        ('{"continuous_usage_stats": true}', {"include_usage": True}),
    ],
)
def test_options_that_are_there_are_kept(options: str, wanted: object) -> None:
    before, after = '{"a": 1.0, "stream_options" : ', ', "m": {"stream_options": {}}}'
    asked = with_stream_usage((before + options + after).encode(), json.loads(options)).decode()
    assert asked.startswith(before)
    assert asked.endswith(after)
    assert json.loads(asked)["stream_options"] == wanted


def test_options_that_are_nonsense_are_left_to_the_engine() -> None:
    body = b'{"stream_options": 7}'
    assert with_stream_usage(body, 7) == body


def test_whoever_asks_gets_the_chunk() -> None:
    assert asks_for_usage({"include_usage": True, "continuous_usage_stats": True})
    assert not any(map(asks_for_usage, [None, {}, {"include_usage": False}, [], "x"]))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_OPTIONS = st.none() | st.dictionaries(st.sampled_from(["include_usage", "x", '"']), _JSON)


@given(st.dictionaries(st.text() | st.just("stream_option"), _JSON), _OPTIONS, st.booleans())
def test_any_request_keeps_its_meaning(
    request: dict[str, object], options: object, ascii_only: bool
) -> None:
    request = {"model": "m", **request, "stream_options": options, "z": {"stream_options": 1}}
    body = json.dumps(request, ensure_ascii=ascii_only, indent=1).encode("utf-8", "replace")
    asked = json.loads(with_stream_usage(body, options))
    assert asked.pop("stream_options")["include_usage"] is True
    expected = json.loads(body)
    del expected["stream_options"]
    assert asked == expected


def event(document: object) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


TOKEN = event({"choices": [{"index": 0, "delta": {"content": '"usage"'}}], "usage": None})
COUNTED = event({"choices": [{"index": 0, "delta": {"content": "x"}}], "usage": USAGE})
COUNT = event({"choices": [], "usage": USAGE})
FILTERED = event({"choices": [], "prompt_filter_results": [], "usage": None})


def test_only_the_usage_chunk_is_one() -> None:
    others = [TOKEN, b': ping "usage"\n\n', COUNTED, FILTERED, b'data: "usage"\n\n']
    others += [b'data: {"choices":[],"usage"\n\n', b"data: [DONE]\n\n"]
    assert not any(is_usage_chunk(block) for block in others)
    assert is_usage_chunk(COUNT)
    assert is_usage_chunk(COUNT.replace(b"\n", b"\r\n").replace(b"[]", b"[ ]"))


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        (USAGE, TokenUsage(37, 8)),
        ({"prompt_tokens": 31, "total_tokens": 31}, TokenUsage(31, None)),
        ({"total_tokens": 31}, TokenUsage(31, None)),
        ({"total_tokens": 31, "completion_tokens": 1}, TokenUsage(30, 1)),
        ({"input_tokens": 5, "output_tokens": 6}, TokenUsage(5, 6)),
        ({"prompt_tokens": "many", "completion_tokens": -1}, NOTHING_TOLD),
        ({"prompt_tokens": True}, NOTHING_TOLD),
        (None, NOTHING_TOLD),
        ([], NOTHING_TOLD),
    ],
)
def test_every_form_of_usage(usage: object, told: TokenUsage) -> None:
    assert token_usage(usage) == told
    assert usage_in(json.dumps({"object": "x", "usage": usage}).encode()) == told


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"a": 1}', b"x" * 40_000])
def test_an_answer_that_tells_nothing(body: bytes) -> None:
    assert usage_in(body) == NOTHING_TOLD


@pytest.mark.parametrize("usage_first", [True, False])
def test_a_large_answer(usage_first: bool) -> None:
    vectors = [{"embedding": [random.random() for _ in range(384)]} for _ in range(20)]
    document: dict[str, object] = {"note": "usage", "text": 'say "usage": {"prompt_tokens": 1}'}
    if usage_first:
        document = {"usage": USAGE, **document, "data": vectors}
    else:
        document = {**document, "data": vectors, "usage": USAGE}
    body = json.dumps(document).encode()
    assert len(body) > 100_000
    assert usage_in(body) == TokenUsage(37, 8)
