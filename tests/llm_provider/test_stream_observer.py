"""What a stream tells of itself. The events are of real engines, shortened to one line each."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_provider.engine_errors import error_in
from llm_provider.errors import EventTooLarge
from llm_provider.observer import DONE
from llm_provider.stream_observer import StreamObserver

_CHUNK = (
    b'{"id":"chatcmpl-9fc0","object":"chat.completion.chunk","created":1795422355,"model":"smol"'
)

# vLLM 0.13.0, with `stream_options.include_usage`.
ROLE = _CHUNK + (
    b',"choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning_content":null},'
    b'"logprobs":null,"finish_reason":null}],"prompt_token_ids":null}'
)
TOKEN = _CHUNK + (
    b',"choices":[{"index":0,"delta":{"content":"The","reasoning_content":null},'
    b'"logprobs":null,"finish_reason":null,"token_ids":null}]}'
)
STOP = _CHUNK + (
    b',"choices":[{"index":0,"delta":{"content":"","reasoning_content":null},"logprobs":null,'
    b'"finish_reason":"stop","stop_reason":null,"token_ids":null}]}'
)
USAGE = _CHUNK + (
    b',"choices":[],"usage":{"prompt_tokens":37,"total_tokens":45,"completion_tokens":8}}'
)
# The same, with `continuous_usage_stats`.
COUNTED = _CHUNK + (
    b',"choices":[{"index":0,"delta":{"content":" of","reasoning_content":null},"logprobs":null,'
    b'"finish_reason":null}],"usage":{"prompt_tokens":37,"total_tokens":40,"completion_tokens":3}}'
)
TOOL_NAME = _CHUNK + (
    b',"choices":[{"index":0,"delta":{"reasoning_content":null,"tool_calls":[{"id":"chatcmpl-tool-1",'
    b'"type":"function","index":0,"function":{"name":"get_weather","arguments":"{"}}]},'
    b'"logprobs":null,"finish_reason":null,"token_ids":null}]}'
)
# What vLLM 0.13.0 and 0.32.0 say when their engine core is killed; [DONE] follows.
KILLED_013 = (
    b'{"error": {"message": "EngineCore encountered an issue.", '
    b'"type": "BadRequestError", "param": null, "code": 400}}'
)
KILLED_032 = KILLED_013.replace(b"BadRequestError", b"InternalServerError").replace(b"400", b"500")
# Older vLLM.
KILLED_OLD = b'{"object":"error","message":"gone","type":"InternalServerError","code":500}'
# llama.cpp.
LLAMA_ROLE = (
    b'{"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}]}'
)
LLAMA_TOKEN = b'{"choices":[{"finish_reason":null,"index":0,"delta":{"content":"L"}}]}'
LLAMA_LENGTH = (
    b'{"choices":[{"finish_reason":"length","index":0,"delta":{}}],"timings":{"cache_n":36}}'
)
# Text completions of vLLM 0.13.0.
TEXT = (
    b'{"object":"text_completion","choices":[{"index":0,"text":" Paris","finish_reason":null}],'
    b'"usage":null}'
)
TEXT_LENGTH = (
    b'{"object":"text_completion","choices":[{"index":0,"text":"\\n","finish_reason":"length"}]}'
)


def stream_of(*events: bytes) -> bytes:
    """Write events as engines do."""
    return b"".join(b"data: " + event + b"\n\n" for event in events)


def observed(*events: bytes) -> StreamObserver:
    """Observe events that come in one piece."""
    observer = StreamObserver()
    observer.feed(stream_of(*events))
    return observer


def test_a_chat_answer_from_role_to_done() -> None:
    observer = StreamObserver()
    seen = []
    for event in (ROLE, TOKEN, TOKEN, STOP, USAGE, DONE):
        observer.feed(stream_of(event))
        seen.append((observer.content_chunks, observer.ending))
    tokens = [0, 1, 2, 2, 2, 2]  # the role is not the first token, and a reason is none
    assert seen == [(count, "truncated") for count in tokens[:-1]] + [(2, "complete")]
    assert observer.usage == {"prompt_tokens": 37, "total_tokens": 45, "completion_tokens": 8}
    assert observer.finish_reasons == {0: "stop"}
    assert observer.in_band_error is None
    assert observer.malformed == 0


def test_llama_cpp_opens_with_null_content() -> None:
    observer = observed(LLAMA_ROLE, LLAMA_TOKEN, LLAMA_LENGTH, DONE)
    assert observer.content_chunks == 1
    assert observer.finish_reasons == {0: "length"}
    assert observer.ending == "complete"


def test_text_completions_and_a_token_with_its_finish_reason() -> None:
    observer = observed(TEXT, TEXT_LENGTH, DONE)
    assert (observer.content_chunks, observer.usage, observer.ending) == (2, None, "complete")


def test_the_last_of_running_usage_counts() -> None:
    later = COUNTED.replace(b'"completion_tokens":3', b'"completion_tokens":4')
    observer = observed(COUNTED, later, TOKEN)
    assert observer.usage is not None
    assert observer.usage["completion_tokens"] == 4


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "x"},
        {"content": " "},
        {"content": None, "tool_calls": [{"index": 0, "function": {"arguments": "{"}}]},
        {"reasoning_content": "thinking"},
        {"reasoning": "thinking"},
        {"refusal": "no"},
        {"function_call": {"name": "f"}},
        {"audio": {"data": "AAAA"}},
    ],
)
def test_whatever_the_model_makes_is_content(delta: object) -> None:
    event = {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    assert observed(json.dumps(event).encode()).content_chunks == 1


def test_tool_calls_are_the_first_token() -> None:
    assert observed(ROLE).content_chunks == 0
    assert observed(ROLE, TOOL_NAME).content_chunks == 1


@pytest.mark.parametrize("error", [KILLED_013, KILLED_032, KILLED_OLD])
def test_done_after_an_error_is_no_success(error: bytes) -> None:
    observer = observed(ROLE, TOKEN, error, DONE)
    assert observer.done
    assert observer.ending == "in_band_error"
    assert observer.in_band_error == error_in(json.loads(error))
    assert observer.in_band_error is not None
    assert observer.in_band_error["message"]


def test_an_error_counts_after_a_finish_reason_too_and_the_first_one_is_kept() -> None:
    observer = observed(TOKEN, STOP, KILLED_013, KILLED_032, DONE)
    assert observer.ending == "in_band_error"
    assert observer.in_band_error is not None
    assert observer.in_band_error["code"] == 400


def test_an_error_that_is_only_text_and_one_that_is_none() -> None:
    assert observed(b'{"error":"out of memory"}').in_band_error == {"message": "out of memory"}
    assert error_in({"error": None, "object": "chat.completion"}) is None
    assert error_in({"error": {}, "choices": []}) is None


@pytest.mark.parametrize(
    "events",
    [
        (),
        (ROLE,),
        (ROLE, TOKEN),
        (ROLE, TOKEN, STOP),  # a finish reason, and no [DONE]
    ],
)
def test_without_its_end_marker_a_stream_is_truncated(events: tuple[bytes, ...]) -> None:
    observer = observed(*events)
    assert observer.ending == "truncated"
    assert observer.finished == (STOP in events)


@pytest.mark.parametrize(
    "events", [(ROLE, TOKEN, DONE), (ROLE, TOKEN, USAGE, DONE), (DONE,), (ROLE, b" [DONE] ")]
)
def test_an_end_without_a_finish_reason_is_told_from_one_that_broke_off(
    events: tuple[bytes, ...],
) -> None:
    assert observed(*events).ending == "unfinished"


def test_an_empty_finish_reason_is_none() -> None:
    event = {"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": ""}]}
    assert observed(json.dumps(event).encode(), DONE).ending == "unfinished"


@pytest.mark.parametrize("half", [rb"\ud83d", rb"\ude00", rb"\uDEAD"])
def test_half_a_surrogate_pair_is_no_fault(half: bytes) -> None:
    event = b'{"choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":null}]}' % half
    observer = observed(ROLE, event, STOP, DONE)
    assert (observer.ending, observer.malformed) == ("complete", 0)
    assert observer.content_chunks == observed(ROLE, TOKEN, STOP, DONE).content_chunks


def test_every_choice_needs_its_own_end() -> None:
    def of_second(event: bytes) -> bytes:
        return event.replace(b'"index":0,"delta"', b'"index":1,"delta"')

    both = (ROLE, of_second(ROLE), TOKEN, of_second(TOKEN), STOP)
    assert observed(*both, DONE).ending == "unfinished"
    whole = observed(*both, of_second(STOP), DONE)
    assert whole.ending == "complete"
    assert whole.finish_reasons == {0: "stop", 1: "stop"}
    assert whole.content_chunks == 2


def test_two_choices_in_one_event_are_one_chunk() -> None:
    choice = {"delta": {"content": "x"}, "finish_reason": "stop"}
    event = json.dumps({"choices": [{"index": i, **choice} for i in (0, 1)]}).encode()
    observer = observed(event, DONE)
    assert (observer.content_chunks, observer.ending) == (1, "complete")


@pytest.mark.parametrize("garbage", [b"{", b"[]", b"null", b"hello", b'"[DONE]"', b"", b"\xff"])
def test_what_is_no_object_is_malformed_and_not_complete(garbage: bytes) -> None:
    observer = observed(ROLE, TOKEN, garbage, STOP, DONE)
    assert observer.malformed == 1
    assert observer.ending == "malformed"
    assert observed(ROLE, garbage).ending == "truncated"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | st.sampled_from(["", "stop", "x"]),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(
        st.sampled_from(
            ["choices", "delta", "index", "finish_reason", "usage", "error", "object", "text"]
        ),
        inner,
        max_size=4,
    ),
)


@given(st.lists(_JSON.map(lambda value: json.dumps(value).encode()) | st.binary(), max_size=6))
def test_no_content_raises(events: list[bytes]) -> None:
    observer = observed(*events, STOP, DONE)
    assert observer.done
    assert observer.finish_reasons[0] == "stop"


@given(st.lists(st.integers(0, 5000), max_size=10))
def test_any_split_is_seen_alike(places: list[int]) -> None:
    stream = stream_of(ROLE, TOKEN, TOOL_NAME, COUNTED, STOP, USAGE, DONE).replace(
        b"\n\n", b"\r\n: ping\r\n\r\n"
    )
    at = sorted(place % len(stream) for place in places)
    observer = StreamObserver()
    for start, end in zip([0, *at], [*at, len(stream)], strict=True):
        observer.feed(stream[start:end])
    assert (observer.content_chunks, observer.ending, observer.malformed) == (3, "complete", 0)


def test_an_event_without_end_is_an_error() -> None:
    observer = StreamObserver("gpu-0", max_event_bytes=64)
    with pytest.raises(EventTooLarge, match="gpu-0"):
        observer.feed(b"data: " + b"x" * 64)
