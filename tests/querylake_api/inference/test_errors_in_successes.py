"""An error inside a 200 is an error, whole or as an event of a stream."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass

import pytest

from llm_provider_testing.scripted_engine import Script, answering
from querylake_api_testing.odd_engines import (
    DONE,
    MESSAGES,
    RESPONSES,
    ROLE,
    TIMES,
    TOKEN,
    ask,
    closing,
    event,
    outcomes,
    streaming,
)
from querylake_api_testing.several_engines import PATH, Replicas


@dataclass(frozen=True)
class Told:
    """What the caller gets: a status, and a part of the message."""

    status: int
    message: str = ""


LOADING = {"error": {"message": "model is loading", "type": "server_error", "code": 503}}
TOO_LONG = "the request exceeds the context"
PRETTY = json.dumps(LOADING, indent=2).encode()
COMPRESSED = {"content-encoding": "gzip"}

WHOLE_ERRORS: dict[str, tuple[Script, Told]] = {
    "pretty-printed": (answering(PRETTY), Told(503)),
    "flat, with a blank": (
        answering({"object": "error", "message": TOO_LONG, "type": "x", "code": 400}),
        Told(400, TOO_LONG),
    ),
    "a code in words": (
        answering({"error": {"message": TOO_LONG, "code": "context_length_exceeded"}}),
        Told(400, TOO_LONG),
    ),
    "digits in a text": (
        answering({"error": {"message": TOO_LONG, "code": "400", "type": "None"}}),
        Told(400, TOO_LONG),
    ),
    "llama.cpp": (
        answering({"error": {"code": 400, "message": TOO_LONG, "type": "exceed_context_size"}}),
        Told(400, TOO_LONG),
    ),
    "TGI": (
        answering({"error": f"Input validation error: {TOO_LONG}", "error_type": "validation"}),
        Told(400, TOO_LONG),
    ),
    "TGI, overloaded": (
        answering({"error": "Model is overloaded", "error_type": "overloaded"}),
        Told(503),
    ),
    "TGI, failed": (
        answering({"error": "Request failed during generation", "error_type": "generation"}),
        Told(502),
    ),
    "Gemini": (
        answering([{"error": {"code": 400, "message": TOO_LONG, "status": "INVALID_ARGUMENT"}}]),
        Told(400, TOO_LONG),
    ),
    "Azure": (answering({"statusCode": 429, "message": "Rate limit is exceeded"}), Told(429)),
    "FastAPI": (answering({"detail": "out of memory"}), Told(502)),
    "OpenRouter": (
        answering(
            {"choices": [{"error": {"code": 400, "message": TOO_LONG}, "finish_reason": "error"}]}
        ),
        Told(400, TOO_LONG),
    ),
    "Anthropic": (
        answering({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}),
        Told(503),
    ),
    "Responses": (
        answering(
            {
                "object": "response",
                "status": "failed",
                "error": {"code": "rate_limit_exceeded", "message": "slow down"},
                "output": [],
            }
        ),
        Told(429, "slow down"),
    ),
    "gzip": (
        answering(
            gzip.compress(json.dumps({"error": {"message": TOO_LONG}}).encode()),
            status=400,
            headers=COMPRESSED,
        ),
        Told(400, TOO_LONG),
    ),
    "no length, cut short": (
        closing(b'HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{"choices": [{"ind'),
        Told(502, "before it was complete"),
    ),
    "brotli": (answering(b"\x0b\x02\x80", headers={"content-encoding": "br"}), Told(502)),
}
ILL = (
    "pretty-printed",
    "TGI, overloaded",
    "TGI, failed",
    "FastAPI",
    "Anthropic",
    "no length, cut short",
)
"""What five times in a row opens the breaker."""


@pytest.mark.parametrize("name", WHOLE_ERRORS)
async def test_an_error_inside_a_success_is_a_status(alone: Replicas, name: str) -> None:
    script, told = WHOLE_ERRORS[name]
    alone.engines[0].script = script
    for _ in range(TIMES):
        response = await ask(alone, stream=False)
        if response.json()["error"]["code"] == "upstream_recovering":
            assert name in ILL
            break
        assert response.status_code == told.status
        assert told.message in response.json()["error"]["message"]
    if told.status in (400, 429) or name == "brotli":
        assert (await alone.upstream("e0"))["breaker"] == "closed"
        assert len(alone.engines[0].requests) == TIMES


@pytest.mark.parametrize(
    "name", ["pretty-printed", "no length, cut short", "brotli", "FastAPI", "OpenRouter, failed"]
)
async def test_another_replica_is_asked_where_that_can_help(pair: Replicas, name: str) -> None:
    failed = {"choices": [{"error": {"code": 502, "message": "Provider disconnected"}}]}
    script = answering(failed) if name.startswith("OpenRouter") else WHOLE_ERRORS[name][0]
    pair.engines[0].script = script
    for _ in range(TIMES):
        assert (await ask(pair, stream=False)).status_code == 200


async def test_a_compressed_answer_is_unpacked(alone: Replicas) -> None:
    answer = json.dumps({"choices": [], "model": "m"}).encode()
    alone.engines[0].script = answering(gzip.compress(answer), headers=COMPRESSED)
    response = await ask(alone, stream=False)
    assert (response.status_code, response.json()) == (200, {"choices": [], "model": "m"})
    assert "content-encoding" not in response.headers
    for script in (
        answering(gzip.compress(answer)[:-9], headers=COMPRESSED),
        answering(b"no gzip", headers=COMPRESSED),
        answering(gzip.compress(bytes(80_000_000)), headers=COMPRESSED),
    ):
        alone.engines[0].script = script
        assert (await ask(alone, stream=False)).status_code == 502
    details = [line["detail"] for line in await alone.api.requests_logged(4)]
    assert all("compressed with 'gzip'" in detail for detail in details[1:])


FIRST_EVENTS: dict[str, tuple[str, bytes, Told]] = {
    "OpenAI": (
        PATH,
        event({"error": {"message": TOO_LONG, "code": 400}}) + DONE,
        Told(400, TOO_LONG),
    ),
    "without an end": (PATH, event({"error": {"message": TOO_LONG, "code": 400}})[:-2], Told(400)),
    "in words": (
        PATH,
        event({"error": {"code": "rate_limit_exceeded", "message": "slow"}}) + DONE,
        Told(429, "slow"),
    ),
    "SGLang": (
        PATH,
        event({"error": {"object": "error", "message": TOO_LONG, "type": "BadRequestError"}}),
        Told(400, TOO_LONG),
    ),
    "a text": (PATH, event({"error": TOO_LONG, "error_type": "validation"}), Told(400, TOO_LONG)),
    "Anthropic": (
        MESSAGES,
        event({"type": "error", "error": {"type": "invalid_request_error", "message": TOO_LONG}}),
        Told(400, TOO_LONG),
    ),
    "Responses": (
        RESPONSES,
        event({"type": "error", "code": "invalid_prompt", "message": TOO_LONG, "param": None}),
        Told(400, TOO_LONG),
    ),
    "a response that failed": (
        RESPONSES,
        event(
            {
                "type": "response.failed",
                "response": {"error": {"code": "invalid_prompt", "message": TOO_LONG}},
            }
        ),
        Told(400, TOO_LONG),
    ),
}


@pytest.mark.parametrize("name", FIRST_EVENTS)
@pytest.mark.parametrize("comment", [b"", b": keep-alive\n\n"])
async def test_an_error_as_first_event_is_a_status(
    alone: Replicas, name: str, comment: bytes
) -> None:
    path, first, told = FIRST_EVENTS[name]
    pieces = [comment, first] if comment else [first]
    alone.engines[0].script = streaming(*pieces)
    for _ in range(TIMES):
        response = await ask(alone, path)
        assert response.status_code == told.status
        document = response.json()
        assert told.message in document["error"]["message"]
        assert (document.get("type") == "error") == (path == MESSAGES)
    assert await outcomes(alone, TIMES) == ["client_error"] * TIMES
    assert (await alone.upstream("e0"))["breaker"] == "closed"


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_behind_a_comment_another_replica_is_asked(pair: Replicas, status: int) -> None:
    error = event({"error": {"message": "boom", "code": status}})
    pair.engines[0].script = streaming(b": keep-alive\n\n", error, DONE)
    response = await ask(pair)
    assert response.status_code == 200
    assert b"boom" not in response.content
    assert pair.asked() == [1, 1]


async def test_an_error_within_a_stream_blames_whom_it_is_about(alone: Replicas) -> None:
    full = event({"error": {"message": "context is full", "code": 400}})
    alone.engines[0].script = streaming(ROLE, TOKEN, full, DONE)
    for _ in range(TIMES):
        assert (await ask(alone)).status_code == 200
    assert await outcomes(alone, TIMES) == ["in_band_error"] * TIMES
    assert (await alone.upstream("e0"))["breaker"] == "closed"
    boom = event({"error": {"message": "boom", "code": 500}})
    alone.engines[0].script = streaming(ROLE, TOKEN, boom, DONE)
    for _ in range(5):
        await ask(alone)
    assert (await alone.upstream("e0"))["breaker"] != "closed"


async def test_a_stream_of_nothing_is_no_answer(alone: Replicas) -> None:
    alone.engines[0].script = streaming(DONE)
    for _ in range(TIMES):
        assert (await ask(alone)).status_code == 502
    assert (await alone.upstream("e0"))["breaker"] == "closed"
