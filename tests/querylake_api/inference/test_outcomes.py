"""Whose fault it is: what callers of odd engines get, and what the breaker makes of it.

Each engine here is one that answers in its own way, and is well. With the default breaker, five
failures in a row would take the model from everybody.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from llm_provider_testing.scripted_engine import Exchange, Script, answer_chat, answering
from querylake_api_testing.several_engines import PATH, Replicas, replicas

TIMES = 7
MESSAGES, RESPONSES = "/v1/messages", "/v1/responses"
CAPABILITIES: dict[str, object] = {"capabilities": ["chat", "messages", "responses"]}

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def event(document: object, kind: str | None = None) -> bytes:
    named = b"" if kind is None else f"event: {kind}\n".encode()
    return named + b"data: " + json.dumps(document).encode() + b"\n\n"


def chunk(
    delta: object = None, finish: str | None = None, *, index: int = 0, **more: Any
) -> dict[str, Any]:
    choices = [{"index": index, "delta": delta or {}, "finish_reason": finish}]
    return {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": choices} | more


def streaming(*events: bytes, head: bytes = HEAD) -> Script:
    """Return a script that sends a stream, each event for itself, and ends it properly."""

    async def script(exchange: Exchange) -> None:
        await exchange.raw(head)
        for each in events:
            await exchange.piece(each)
        await exchange.raw(b"0\r\n\r\n")

    return script


def closing(content: bytes) -> Script:
    """Return a script that sends bytes and closes the connection."""

    async def script(exchange: Exchange) -> None:
        await exchange.raw(content)
        exchange.hang_up()

    return script


def anthropic(extra: dict[str, Any]) -> list[bytes]:
    usage = {"input_tokens": 5, "output_tokens": 1}
    message = {"id": "m", "type": "message", "model": "m", "content": [], "usage": usage}
    told: list[tuple[str, dict[str, Any]]] = [
        ("message_start", {"message": message}),
        ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
        ("ping", {}),
        ("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": "hi"}}),
        ("content_block_stop", {"index": 0}),
        ("message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}),
        ("message_stop", {}),
    ]
    return [event({"type": kind, **fields, **extra}, kind) for kind, fields in told]


def responses(extra: dict[str, Any]) -> list[bytes]:
    response = {"id": "r", "object": "response", "model": "m", "error": None}
    usage = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    told: list[tuple[str, dict[str, Any]]] = [
        ("response.created", {"response": {**response, "status": "in_progress"}}),
        ("response.output_text.delta", {"delta": "hi"}),
        ("response.completed", {"response": {**response, "status": "completed", "usage": usage}}),
    ]
    return [event({"type": kind, **fields, **extra}, kind) for kind, fields in told]


ROLE = event(chunk({"role": "assistant", "content": ""}))
TOKEN = event(chunk({"content": "hi"}))
STOP = event(chunk({}, "stop"))
TOLD = event(chunk(usage=USAGE) | {"choices": []})


def half(escape: bytes) -> bytes:
    return TOKEN.replace(b'"hi"', b'"%b"' % escape)


@asynccontextmanager
async def fleet(
    folder: Path, database: str, count: int = 1, **sections: Any
) -> AsyncIterator[Replicas]:
    # Whether usage is hidden from clients is tested elsewhere.
    async with replicas(folder, database, count, model=CAPABILITIES, **sections) as running:
        yield running


@pytest.fixture
async def alone(tmp_path: Path, database_url: str) -> AsyncIterator[Replicas]:
    async with fleet(tmp_path, database_url) as running:
        yield running


@pytest.fixture
async def pair(tmp_path: Path, database_url: str) -> AsyncIterator[Replicas]:
    retry: dict[str, object] = {"reserve": 1000.0}
    async with fleet(tmp_path, database_url, 2, retry=retry) as running:
        yield running


async def ask(engines: Replicas, path: str = PATH, *, stream: bool = True) -> httpx.Response:
    body: dict[str, object] = {"model": "m", "messages": [], "input": "", "stream": stream}
    if stream and path == PATH:
        body["stream_options"] = {"include_usage": True}
    return await engines.api.post(path, body)


async def outcomes(engines: Replicas, count: int) -> list[str]:
    return [line["outcome"] for line in await engines.api.requests_logged(count)]


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


REASONS: dict[str, tuple[Script, str]] = {
    "text": (
        answering(b"prompt too long: 9000 > 4096", status=400, content_type="text/plain"),
        "prompt too long: 9000 > 4096",
    ),
    "message": (answering({"message": "prompt too long", "code": 400}, status=400), "too long"),
    "fields": (
        answering({"detail": [{"loc": ["body", "messages"], "msg": "Field required"}]}, status=422),
        "messages: Field required",
    ),
    "detail": (answering({"detail": "prompt too long"}, status=400), "prompt too long"),
    "nested": (
        answering({"error": {"message": {"text": "prompt too long"}, "code": "x"}}, status=400),
        "prompt too long",
    ),
    "Mistral": (
        answering(
            {
                "object": "error",
                "message": {"detail": [{"loc": ["body", "top_p"], "msg": "too large"}]},
                "type": "invalid_request_error",
            },
            status=422,
        ),
        "top_p: too large",
    ),
    "Ollama": (answering({"error": "prompt too long"}, status=400), "prompt too long"),
    "problem": (
        answering(
            {"type": "about:blank", "title": "Bad", "status": 400, "detail": "prompt too long"},
            status=400,
        ),
        "prompt too long",
    ),
    "list": (answering({"errors": [{"message": "prompt too long"}]}, status=400), "too long"),
    "a page": (
        answering(b"<html><title>413 Request Entity Too Large</title>", status=413),
        "413 Request Entity Too Large",
    ),
    "deep": (
        answering(
            {"error": {"message": "no", "deep": json.loads("[" * 300 + "]" * 300)}}, status=400
        ),
        "no",
    ),
}


@pytest.mark.parametrize("name", REASONS)
async def test_the_reason_of_a_refusal_reaches_the_caller(alone: Replicas, name: str) -> None:
    alone.engines[0].script, reason = REASONS[name]
    for stream in (False, True):
        response = await ask(alone, stream=stream)
        assert 400 <= response.status_code < 500
        error = response.json()["error"]
        assert reason in error["message"]
        assert set(error) >= {"message", "type", "param", "code"}
    assert (await alone.upstream("e0"))["breaker"] == "closed"


NOT_FOUND = {"error": {"message": "The model `M` does not exist.", "code": 404}}
UNFIT: dict[str, Script] = {
    "redirect": answering(b"", status=307, headers={"location": "http://127.0.0.1:1/v1"}),
    "no route": answering({"detail": "Not Found"}, status=404),
    "no model": answering(NOT_FOUND, status=404),
    "no model, in OpenAI's word": answering(
        {"error": {"message": "unknown", "code": "model_not_found"}}, status=404
    ),
    "no model, as LiteLLM has it": answering(
        {"error": {"message": "Invalid model name passed in model=M", "code": "400"}}, status=400
    ),
    "Ollama": answering({"error": 'model "M" not found, try pulling it first'}, status=404),
    "a proxy's page": answering(b"<html><title>404 Not Found</title></html>", status=404),
    "no such method": answering({"detail": "Method Not Allowed"}, status=405),
    "not offered": answering({"error": {"message": "no"}}, status=501),
    "another key": answering({"error": {"message": "no"}}, status=401),
}


@pytest.mark.parametrize("name", UNFIT)
async def test_a_replica_that_is_the_wrong_one_costs_nobody_anything(
    pair: Replicas, name: str
) -> None:
    wrong, well = pair.engines
    wrong.script = UNFIT[name]
    for _ in range(TIMES):
        assert (await ask(pair, stream=False)).status_code == 200
    assert 1 <= len(wrong.requests) <= 3
    assert len(well.requests) == TIMES
    state = await pair.upstream("e0")
    assert (state["breaker"], state["condition"]) == ("closed", "up")
    ready = (await pair.api.client.get("/readyz")).json()
    assert ready["status"] == "degraded"
    assert "left out for model M at /chat/completions" in ready["upstreams"]["e0"]["detail"]
    [told] = [line for line in pair.api.log_lines() if "is left out" in line["event"]]
    assert "upstream e0" in told["event"]


@pytest.mark.parametrize("name", UNFIT)
async def test_alone_a_wrong_one_is_the_operators_to_mend(alone: Replicas, name: str) -> None:
    alone.engines[0].script = UNFIT[name]
    for _ in range(TIMES):
        response = await ask(alone, stream=False)
        assert response.status_code == 502
        assert response.json()["error"]["type"] == "upstream_error"
    assert (await alone.upstream("e0"))["breaker"] == "closed"


async def test_a_wrong_replica_comes_back_by_itself(
    pair: Replicas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("querylake_api.upstreams.misfits.FIRST_PAUSE_SECONDS", 0.0)
    wrong, _ = pair.engines
    wrong.script = UNFIT["no route"]
    assert (await ask(pair, stream=False)).status_code == 200
    wrong.script = answer_chat
    for _ in range(4):
        assert (await ask(pair, stream=False)).status_code == 200
    assert len(wrong.requests) >= 2
    assert (await pair.api.client.get("/readyz")).json()["status"] == "ready"


async def test_what_a_404_says_of_something_else_is_the_callers(alone: Replicas) -> None:
    told = {"error": {"message": "Response with id 'resp_1' not found.", "code": 404}}
    alone.engines[0].script = answering(told, status=404)
    response = await ask(alone, RESPONSES, stream=False)
    assert (response.status_code, response.json()["error"]["message"]) == (
        404,
        told["error"]["message"],
    )


async def test_a_whole_answer_is_no_stream(pair: Replicas) -> None:
    pair.engines[0].script = answering({"object": "chat.completion", "choices": []})
    for _ in range(TIMES):
        response = await ask(pair)
        assert response.status_code == 200
        assert response.content.endswith(DONE)
    pair.engines[1].script = pair.engines[0].script
    assert (await ask(pair)).status_code == 502
    assert (await pair.upstream("e0"))["breaker"] == "closed"


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


async def test_streams_without_an_end_marker_blame_nobody(alone: Replicas) -> None:
    alone.engines[0].script = streaming(ROLE, TOKEN, STOP)
    for _ in range(TIMES):
        assert (await ask(alone)).status_code == 200
    assert (await alone.upstream("e0"))["breaker"] == "closed"


async def test_a_stream_of_nothing_is_no_answer(alone: Replicas) -> None:
    alone.engines[0].script = streaming(DONE)
    for _ in range(TIMES):
        assert (await ask(alone)).status_code == 502
    assert (await alone.upstream("e0"))["breaker"] == "closed"
