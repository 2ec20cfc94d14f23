"""Responses, Messages and reranking, as their own clients expect them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine
from querylake_api_testing.running import RunningApi, running_api, write_config

RESPONSES = "/v1/responses"
MESSAGES = "/v1/messages"


@pytest.fixture
async def api(
    tmp_path: Path, database_url: str, engine: ScriptedEngine
) -> AsyncIterator[RunningApi]:
    config = write_config(
        tmp_path,
        database=database_url,
        upstreams={"engine": {"base_url": engine.url}},
        models={
            "m": {
                "capabilities": ["chat", "responses", "messages"],
                "targets": [{"upstream": "engine", "model": "Real/M"}],
            },
            "ranker": {
                "capabilities": ["rerank"],
                "targets": [{"upstream": "engine", "model": "ranker"}],
            },
        },
    )
    async with running_api(config) as running:
        yield running


def event(kind: str, **fields: object) -> bytes:
    document = {"type": kind, **fields}
    return f"event: {kind}\ndata: {json.dumps(document)}\n\n".encode()


RESPONSE = {"id": "resp_1", "object": "response", "model": "Real/M", "output": []}
RESPONSE_STREAM = [
    event("response.created", response=RESPONSE, sequence_number=0),
    event("response.output_text.delta", delta="Par", sequence_number=1),
    event(
        "response.completed",
        response={**RESPONSE, "usage": {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}},
        sequence_number=2,
    ),
]
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "Real/M", "content": []}
MESSAGE_STREAM = [
    event("message_start", message={**MESSAGE, "usage": {"input_tokens": 5, "output_tokens": 0}}),
    event("content_block_delta", index=0, delta={"type": "text_delta", "text": "Par"}),
    event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 2}),
    event("message_stop"),
]
PROTOCOLS = [(RESPONSES, RESPONSE_STREAM), (MESSAGES, MESSAGE_STREAM)]


def answering(document: object, status: int = 200) -> Any:
    async def script(exchange: Exchange) -> None:
        await exchange.whole(document, status=status)

    return script


def streaming(events: list[bytes], *, dying: bool = False) -> Any:
    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for each in events:
            await exchange.piece(each)
        if dying:
            exchange.reset()
        else:
            await exchange.end_stream(done=False)

    return script


def outcome(api: RunningApi) -> dict[str, Any]:
    [line] = [line for line in api.log_lines() if line["event"] == "request"]
    return line


@pytest.mark.parametrize(("path", "document"), [(RESPONSES, RESPONSE), (MESSAGES, MESSAGE)])
async def test_a_whole_answer(
    api: RunningApi, engine: ScriptedEngine, path: str, document: dict[str, object]
) -> None:
    engine.script = answering(document)
    request = {"model": "m", "max_tokens": 5, "input": "x", "messages": [], "new_field": {"a": 1}}
    response = await api.post(path, request)
    assert response.json() == {**document, "model": "m"}
    assert engine.requests[0].path == path
    assert engine.requests[0].json() == {**request, "model": "Real/M"}


@pytest.mark.parametrize(("path", "events"), PROTOCOLS)
async def test_a_stream(
    api: RunningApi, engine: ScriptedEngine, path: str, events: list[bytes]
) -> None:
    engine.script = streaming(events)
    response = await api.post(path, {"model": "m", "stream": True})
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.content == b"".join(events).replace(b'"Real/M"', b'"m"')
    record = outcome(api)
    assert record["outcome"] == "success"
    assert (record["prompt_tokens"], record["completion_tokens"]) == (5, 2)
    assert record["first_token_seconds"] > 0


@pytest.mark.parametrize("dying", [False, True])
@pytest.mark.parametrize(("path", "events"), PROTOCOLS)
async def test_a_stream_without_its_end(
    api: RunningApi, engine: ScriptedEngine, path: str, events: list[bytes], dying: bool
) -> None:
    engine.script = streaming(events[:2], dying=dying)
    response = await api.post(path, {"model": "m", "stream": True})
    sent = b"".join(events[:2]).replace(b'"Real/M"', b'"m"')
    assert response.content.startswith(sent)
    last = response.content.removeprefix(sent)
    assert last.startswith(b"event: error\ndata: {")
    assert last.endswith(b"}\n\n")
    told = json.loads(last.removeprefix(b"event: error\ndata: "))
    assert told["type"] == "error"
    assert told["error"]["message"] == "The engine of 'm' ended the answer before it was complete."
    if path == MESSAGES:
        assert told["error"]["type"] == "api_error"
    else:
        assert told["message"] == told["error"]["message"]
        assert told["code"] == "upstream_interrupted"
    assert outcome(api)["outcome"] == "truncated"


@pytest.mark.parametrize(
    ("path", "failure"),
    [
        (RESPONSES, event("response.failed", response={**RESPONSE, "error": {"message": "x"}})),
        (MESSAGES, event("error", error={"type": "api_error", "message": "x"})),
    ],
)
async def test_an_error_among_the_events(
    api: RunningApi, engine: ScriptedEngine, path: str, failure: bytes
) -> None:
    events = [*dict(PROTOCOLS)[path][:2], failure]
    engine.script = streaming(events)
    response = await api.post(path, {"model": "m", "stream": True})
    assert response.content == b"".join(events).replace(b'"Real/M"', b'"m"')
    assert outcome(api)["outcome"] == "in_band_error"


async def test_errors_as_anthropics_clients_read_them(
    api: RunningApi, engine: ScriptedEngine, subtests: pytest.Subtests
) -> None:
    engine.script = answering({"type": "error", "error": {"type": "x", "message": "no"}}, 400)
    cases: list[tuple[dict[str, object], str | None, int, str]] = [
        ({"model": "nope"}, None, 404, "not_found_error"),
        ({}, None, 400, "invalid_request_error"),
        ({"model": "m"}, "sk-wrong", 401, "authentication_error"),
        ({"model": "m"}, None, 400, "x"),
    ]
    for body, key, status, kind in cases:
        with subtests.test(body=body, key=key):
            response = await api.post(MESSAGES, body, key=key)
            document = response.json()
            assert response.status_code == status
            assert (document["type"], document["error"]["type"]) == ("error", kind)


async def test_a_model_without_the_capability(api: RunningApi) -> None:
    response = await api.post(RESPONSES, {"model": "ranker", "input": "x"})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "capability_not_supported"


RESULTS = [
    {"index": 1, "relevance_score": 0.9, "document": {"text": "b", "multi_modal": None}},
    {"index": 0, "relevance_score": 0.1, "document": {"text": "a", "multi_modal": None}},
]
RERANK = {"model": "ranker", "query": "q", "documents": ["a", "b"]}


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/rerank"])
async def test_reranking_wherever_clients_look_for_it(
    api: RunningApi, engine: ScriptedEngine, path: str
) -> None:
    engine.script = answering({"id": "r", "model": "ranker", "results": RESULTS})
    response = await api.post(path, RERANK)
    assert response.json()["results"] == RESULTS
    assert engine.requests[0].path == "/v1/rerank"
    assert engine.requests[0].json() == RERANK


async def test_documents_that_are_objects_reach_the_engine_as_texts(
    api: RunningApi, engine: ScriptedEngine
) -> None:
    engine.script = answering({"results": RESULTS})
    documents: list[object] = [{"text": "a", "id": 7}, "b", {"content": [{"type": "image_url"}]}]
    await api.post("/v1/rerank", {**RERANK, "documents": documents, "extra": 1.5})
    sent = engine.requests[0].json()
    assert sent["documents"] == ["a", "b", documents[2]]
    assert sent["extra"] == 1.5


async def test_as_much_comes_back_as_was_asked_for(api: RunningApi, engine: ScriptedEngine) -> None:
    engine.script = answering({"id": "r", "results": RESULTS})
    response = await api.post("/v1/rerank", {**RERANK, "top_n": 1, "return_documents": False})
    assert response.json() == {"id": "r", "results": [{"index": 1, "relevance_score": 0.9}]}
    bare = [{"index": 1, "relevance_score": 0.9}]
    engine.script = answering({"results": bare})
    response = await api.post("/v1/rerank", {**RERANK, "return_documents": True})
    assert response.json()["results"] == [{**bare[0], "document": {"text": "b"}}]
    assert (await api.post("/v1/rerank", RERANK)).json()["results"] == bare


@pytest.mark.parametrize(
    ("field", "value"), [("top_n", 0), ("top_n", True), ("top_n", "1"), ("return_documents", 1)]
)
async def test_wrong_fields_of_reranking(
    api: RunningApi, engine: ScriptedEngine, field: str, value: object
) -> None:
    response = await api.post("/v1/rerank", {**RERANK, field: value})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == field
    assert engine.requests == []
