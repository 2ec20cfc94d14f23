"""What is odd and well is a success: nobody is blamed, and the breaker hears of no failure.

With the default breaker, five failures in a row would take the model from everybody.
"""

from __future__ import annotations

import json

import pytest

from querylake_api_testing.odd_engines import (
    DONE,
    HEAD,
    MESSAGES,
    RESPONSES,
    ROLE,
    STOP,
    TIMES,
    TOKEN,
    TOLD,
    anthropic,
    ask,
    chunk,
    event,
    half,
    outcomes,
    responses,
    streaming,
)
from querylake_api_testing.several_engines import PATH, Replicas

WELL: dict[str, tuple[str, list[bytes]]] = {
    "halves of a surrogate pair": (
        PATH,
        [ROLE, half(rb"\ud83d"), half(rb"\ude00"), TOKEN, STOP, TOLD, DONE],
    ),
    "no finish reason": (PATH, [ROLE, TOKEN, TOLD, DONE]),
    "a finish reason of one choice of two": (
        PATH,
        [TOKEN, event(chunk({"content": "b"}, index=1)), STOP, DONE],
    ),
    "an empty finish reason": (PATH, [event(chunk({"content": "hi"}, "")), DONE]),
    "the end without a blank": (PATH, [ROLE, TOKEN, STOP, b"data:[DONE]\n\n"]),
    "the end with one more": (PATH, [ROLE, TOKEN, STOP, b"data: [DONE] \n\n"]),
    "no error in each event": (PATH, [event(chunk({"content": "x"}, "stop", error=None)), DONE]),
    "an error of empty values": (
        PATH,
        [event(chunk({"content": "x"}, "stop", error={"message": "", "code": None})), DONE],
    ),
    "no error in Messages": (MESSAGES, anthropic({"error": None})),
    "no error in Responses": (RESPONSES, responses({"error": None})),
    "no choices and no delta": (
        PATH,
        [ROLE, event(chunk() | {"choices": None}), event(chunk(None, "stop")), DONE],
    ),
    "NaN": (PATH, [TOKEN.replace(b'"hi"', b'"hi", "p": NaN'), STOP, DONE]),
    "300 lists": (
        PATH,
        [event(chunk({"content": "x", "deep": json.loads("[" * 300 + "]" * 300)})), STOP, DONE],
    ),
}


@pytest.mark.parametrize("name", WELL)
async def test_what_is_odd_and_well_is_a_success(alone: Replicas, name: str) -> None:
    path, events = WELL[name]
    alone.engines[0].script = streaming(*events)
    for _ in range(TIMES):
        response = await ask(alone, path)
        assert response.status_code == 200
        assert response.content.replace(b" ", b"") == b"".join(events).replace(b" ", b"")
    assert await outcomes(alone, TIMES) == ["success"] * TIMES
    assert (await alone.upstream("e0"))["breaker"] == "closed"


async def test_media_types_do_not_depend_on_case(alone: Replicas) -> None:
    for kind in (b"Text/Event-Stream", b"TEXT/EVENT-STREAM; charset=utf-8", b"text/plain", b""):
        head = HEAD.replace(b"text/event-stream", kind)
        alone.engines[0].script = streaming(ROLE, TOKEN, STOP, DONE, head=head)
        response = await ask(alone)
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.content == ROLE + TOKEN + STOP + DONE


async def test_streams_without_an_end_marker_blame_nobody(alone: Replicas) -> None:
    alone.engines[0].script = streaming(ROLE, TOKEN, STOP)
    for _ in range(TIMES):
        assert (await ask(alone)).status_code == 200
    assert (await alone.upstream("e0"))["breaker"] == "closed"
