"""Whole answers: what reaches the engine, what reaches the client, and every way to be refused."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine, answering, completion
from querylake_api.keys.models import Scope
from querylake_api_testing.running import RunningApi

CHAT = {"model": "default", "messages": [{"role": "user", "content": "Count."}]}
COMPLETIONS = "/v1/chat/completions"


def error_of(response: httpx.Response) -> dict[str, object]:
    """Return the error of a response, after checking its shape."""
    document = response.json()
    assert list(document) == ["error"]
    error = document["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert response.headers["x-request-id"]
    assert response.headers["content-type"] == "application/json"
    assert isinstance(error, dict)
    return error


async def test_only_the_model_changes_on_the_way(api: RunningApi, engine: ScriptedEngine) -> None:
    body = (
        b'{ "seed": 18446744073709551617, "model" :"default", "temperature":1.0,'
        b'"messages":[{"role":"user","content":"the \\"model\\": \\u00e9"}], "x-new": [1e2] }'
    )
    headers = {**api.headers(), "content-type": "application/json"}
    response = await api.client.post(COMPLETIONS, content=body, headers=headers)
    assert response.status_code == 200
    assert engine.requests[0].body == body.replace(b'"default"', b'"Real/Chatty-7B"', 1)
    assert response.json() == completion("default")


async def test_the_answer_names_the_model_as_the_client_did(api: RunningApi) -> None:
    for name in ("org/chatty", "default"):
        response = await api.post(COMPLETIONS, {**CHAT, "model": name})
        assert response.json()["model"] == name


async def test_the_callers_key_stays_here(api: RunningApi, engine: ScriptedEngine) -> None:
    await api.post(COMPLETIONS, CHAT)
    headers = {"x-api-key": api.key}
    assert (await api.client.post(COMPLETIONS, json=CHAT, headers=headers)).status_code == 200
    for request in engine.requests:
        assert request.headers["authorization"] == "Bearer engine-secret"
        assert api.key not in str(request)


async def test_request_ids_travel_both_ways(api: RunningApi, engine: ScriptedEngine) -> None:
    headers = {**api.headers(), "x-request-id": "mine-1"}
    response = await api.client.post(COMPLETIONS, json=CHAT, headers=headers)
    assert response.headers["x-request-id"] == "mine-1"
    assert engine.requests[0].headers["x-request-id"] == "mine-1"


async def test_insane_request_ids_are_replaced(api: RunningApi) -> None:
    for theirs in ("", "spaces in it", "x" * 129, 'quote"', "ünïcode"):
        response = await api.client.get("/healthz", headers=[(b"x-request-id", theirs.encode())])
        assert response.headers["x-request-id"].startswith("req_")


ENDPOINTS: list[tuple[str, str, dict[str, object]]] = [
    ("/v1/completions", "/v1/completions", {"model": "default", "prompt": "One"}),
    ("/v1/embeddings", "/v1/embeddings", {"model": "embedder", "input": ["a", "b"]}),
    ("/v1/rerank", "/v1/rerank", {"model": "embedder", "query": "q", "documents": ["d"]}),
]


async def test_every_endpoint_reaches_its_own(api: RunningApi, engine: ScriptedEngine) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.whole({"object": "list", "model": "whatever", "data": [[0.25, 0.5]]})

    engine.script = script
    for path, upstream_path, body in ENDPOINTS:
        response = await api.post(path, body)
        assert response.json()["data"] == [[0.25, 0.5]]
        assert engine.requests[-1].path == upstream_path


BAD_KEYS: list[tuple[dict[str, str], str]] = [
    ({}, "missing_api_key"),
    ({"authorization": "Bearer sk-wrong"}, "invalid_api_key"),
    ({"authorization": "sk-wrong"}, "missing_api_key"),
    ({"x-api-key": "sk-wrong"}, "invalid_api_key"),
]


async def test_without_a_valid_key(api: RunningApi, subtests: pytest.Subtests) -> None:
    for headers, code in BAD_KEYS:
        with subtests.test(headers=headers):
            response = await api.client.post(COMPLETIONS, json=CHAT, headers=headers)
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
            error = error_of(response)
            assert (error["type"], error["code"]) == ("authentication_error", code)
            assert "sk-wrong" not in response.text


async def test_a_key_for_something_else(api: RunningApi) -> None:
    response = await api.post(COMPLETIONS, CHAT, key=api.admin_key)
    assert response.status_code == 403
    assert error_of(response)["code"] == "insufficient_scope"


async def test_a_model_that_is_not_on_the_list(api: RunningApi) -> None:
    created = await api.client.post(
        "/admin/keys",
        json={"name": "narrow", "models": ["embedder"]},
        headers=api.headers(api.admin_key),
    )
    key = created.json()["key"]
    response = await api.post(COMPLETIONS, CHAT, key=key)
    assert response.status_code == 403
    error = error_of(response)
    assert (error["code"], error["param"]) == ("model_not_allowed", "model")
    assert [each["id"] for each in (await api.get("/v1/models", key=key)).json()["data"]] == [
        "embedder"
    ]


MISTAKES: list[tuple[bytes, int, str, str | None]] = [
    (b"{", 400, "invalid_json", None),
    (b"", 400, "invalid_json", None),
    (b"\xff\xfe", 400, "invalid_json", None),
    (b"[]", 400, "invalid_json", None),
    (b"{}", 400, "missing_model", "model"),
    (b'{"model": null}', 400, "missing_model", "model"),
    (b'{"model": ""}', 400, "invalid_type", "model"),
    (b'{"model": 7}', 400, "invalid_type", "model"),
    (b'{"model": "default", "stream": "yes"}', 400, "invalid_type", "stream"),
    (b'{"model": "nope"}', 404, "model_not_found", "model"),
    (b'{"model": "Real/Chatty-7B"}', 404, "model_not_found", "model"),
    (b'{"model": "embedder"}', 400, "capability_not_supported", "model"),
    (b'{"model": "' + b"x" * 100_000 + b'"}', 413, "request_too_large", None),
    (b"[" * 90_000, 400, "invalid_json", None),
]


async def test_callers_mistakes(
    api: RunningApi, engine: ScriptedEngine, subtests: pytest.Subtests
) -> None:
    for body, status, code, param in MISTAKES:
        with subtests.test(body=body[:40]):
            response = await api.client.post(COMPLETIONS, content=body, headers=api.headers())
            assert response.status_code == status
            error = error_of(response)
            assert error["type"] == "invalid_request_error"
            assert (error["code"], error["param"]) == (code, param)
    assert engine.requests == []


async def test_the_wrong_capability_is_explained(api: RunningApi) -> None:
    response = await api.post("/v1/embeddings", {"model": "default", "input": "x"})
    assert response.status_code == 400
    assert error_of(response)["message"] == (
        "The model 'default' does not support embeddings; it supports chat, completions. "
        "Models that support embeddings: embedder."
    )


TOKENS: list[tuple[str, str, object, int]] = [
    ("/v1/embeddings", "input", [0, 7], 200),
    ("/v1/embeddings", "input", [[0], [7, 8]], 200),
    ("/v1/embeddings", "input", ["7", "-1"], 200),
    ("/v1/embeddings", "input", [{"image": "data:"}, "text"], 200),  # for the engine to judge
    ("/v1/embeddings", "input", [], 200),
    ("/v1/embeddings", "input", [7, -1], 400),
    ("/v1/embeddings", "input", [[7], [-1]], 400),
    ("/v1/embeddings", "input", ["-1", 7], 400),
    ("/v1/embeddings", "input", [-1.0], 400),
    ("/v1/embeddings", "encoding_format", "bytes", 400),
    ("/v1/embeddings", "encoding_format", ["float"], 200),
    ("/v1/completions", "prompt", [7, 8], 200),
    ("/v1/completions", "prompt", [7, -1], 400),
    ("/v1/completions", "prompt", [[7], [True, -1]], 400),
]


async def test_no_engine_meets_what_it_would_die_of(
    api: RunningApi, engine: ScriptedEngine, subtests: pytest.Subtests
) -> None:
    """vLLM 0.13 looks for token ids beyond its vocabulary, and not for those below zero."""
    engine.script = answering({"object": "list", "data": []})
    models = {"/v1/embeddings": "embedder", "/v1/completions": "default"}
    for path, field, value, status in TOKENS:
        with subtests.test(path=path, value=value):
            response = await api.post(path, {"model": models[path], "input": "x", field: value})
            assert response.status_code == status
            if status == 400:
                assert error_of(response)["param"] == field
            else:
                assert engine.requests[-1].json()[field] == value
    assert len(engine.requests) == sum(status == 200 for *_, status in TOKENS)


async def test_a_stream_where_there_is_none(api: RunningApi) -> None:
    body = {"model": "embedder", "input": "x", "stream": True}
    response = await api.post("/v1/embeddings", body)
    assert (response.status_code, error_of(response)["code"]) == (400, "stream_unsupported")


async def test_a_body_too_large_without_saying_so(api: RunningApi) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b" " * 10_000

    response = await api.client.post(COMPLETIONS, content=body(), headers=api.headers())
    assert (response.status_code, error_of(response)["code"]) == (413, "request_too_large")


@pytest.mark.parametrize("patience", [0.5])
async def test_a_body_that_does_not_come(api: RunningApi) -> None:
    host, port = api.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {COMPLETIONS} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {api.key}\r\n"
    writer.write(head.encode() + b"content-length: 50\r\n\r\n{")
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
    assert answer.startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_the_wrong_method(api: RunningApi) -> None:
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        response = await api.client.request(method, COMPLETIONS, headers=api.headers())
        assert response.status_code == 405
        assert response.headers["allow"] == "POST"
        assert error_of(response)["code"] == "method_not_allowed"


async def test_an_engine_that_cannot_be_reached(api: RunningApi) -> None:
    response = await api.post(COMPLETIONS, {**CHAT, "model": "gone"})
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    error = error_of(response)
    assert (error["type"], error["code"]) == ("upstream_error", "upstream_unavailable")
    assert "127.0.0.1" not in response.text


@pytest.mark.parametrize("patience", [0.5])
async def test_an_engine_that_does_not_answer(api: RunningApi, engine: ScriptedEngine) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.caller_gone()

    engine.script = script
    response = await api.post(COMPLETIONS, CHAT)
    assert response.status_code == 504
    error = error_of(response)
    assert error["code"] == "upstream_timeout"
    assert "first byte timeout after 0.5 s" in str(error["message"])


async def test_an_engine_that_hangs_up(api: RunningApi, engine: ScriptedEngine) -> None:
    async def script(exchange: Exchange) -> None:
        exchange.hang_up()

    engine.script = script
    response = await api.post(COMPLETIONS, CHAT)
    assert response.status_code in (502, 503)
    assert error_of(response)["type"] == "upstream_error"


async def test_an_answer_cut_short(api: RunningApi, engine: ScriptedEngine) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.raw(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"
        )
        exchange.hang_up()

    engine.script = script
    response = await api.post(COMPLETIONS, CHAT)
    assert response.status_code == 502
    assert error_of(response)["code"] == "upstream_interrupted"


VLLM_REJECTION: dict[str, dict[str, object]] = {
    "error": {
        "message": "max_tokens is too large",
        "type": "BadRequestError",
        "param": None,
        "code": 400,
    }
}


REFUSALS: list[tuple[int, object, dict[str, object]]] = [
    (400, VLLM_REJECTION, VLLM_REJECTION["error"]),
    (
        400,
        {"error": {"code": 400, "message": "bad", "type": "invalid_request_error"}},
        {"message": "bad", "type": "invalid_request_error", "param": None, "code": 400},
    ),
    (
        400,
        {"object": "error", "message": "flat", "type": "BadRequestError", "code": 400},
        {"message": "flat", "type": "BadRequestError", "param": None, "code": 400},
    ),
    (
        422,
        {
            "error": {
                "message": 'bad int\n\n  File "/opt/engine/secret/path.py", line 477, in create',
                "type": "Bad Request",
                "code": 422,
            }
        },
        {"message": "bad int", "type": "Bad Request", "param": None, "code": 422},
    ),
    (
        400,
        {"error": {"message": "`Real/Chatty-7B`, 'Real/Chatty-7B' and \"Real/Chatty-7B\": no"}},
        {
            "message": "`default`, 'default' and \"default\": no",
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        },
    ),
    (
        404,
        {"detail": "Response resp_1 was not kept"},
        {
            "message": "The engine of 'default' refused the request with status 404: "
            "Response resp_1 was not kept.",
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        },
    ),
    (
        413,
        b"<html>too large</html>",
        {
            "message": "The engine of 'default' refused the request with status 413.",
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        },
    ),
]


async def test_refusals_are_passed_on(
    api: RunningApi, engine: ScriptedEngine, subtests: pytest.Subtests
) -> None:
    for (status, body, error), stream in itertools.product(REFUSALS, (False, True)):
        with subtests.test(status=status, body=body, stream=stream):
            engine.script = answering(body, status=status)
            response = await api.post(COMPLETIONS, {**CHAT, "stream": stream})
            assert response.status_code == status
            assert error_of(response) == error


FAULTS: list[tuple[int, object, int, str]] = [
    (500, b"<html>oops</html>", 502, "upstream_failed"),
    (500, {"error": {"message": "See stack trace (above)"}}, 502, "upstream_failed"),
    (502, b"", 502, "upstream_failed"),
    (503, b"busy", 503, "upstream_overloaded"),
    (504, b"", 504, "upstream_timeout"),
    (401, {"error": {"message": "Unauthorized"}}, 502, "upstream_credentials"),
    (403, b"", 502, "upstream_credentials"),
    (302, b"", 502, "upstream_invalid_response"),
    (404, {"detail": "Not Found"}, 502, "upstream_misconfigured"),
    (405, {"detail": "Method Not Allowed"}, 502, "upstream_misconfigured"),
    (501, {"error": {"message": "no reranking"}}, 502, "upstream_misconfigured"),
    (200, b"<html>hello</html>", 502, "upstream_invalid_response"),
    (200, b"", 502, "upstream_invalid_response"),
    (200, {"error": {"message": "dead", "code": 500}}, 502, "upstream_failed"),
]


async def test_faults_behind_us_are_told_in_our_words(
    api: RunningApi, engine: ScriptedEngine, subtests: pytest.Subtests
) -> None:
    for (status, body, seen, code), stream in itertools.product(FAULTS, (False, True)):
        with subtests.test(status=status, body=body, stream=stream):
            engine.script = answering(body, status=status)
            response = await api.post(COMPLETIONS, {**CHAT, "stream": stream})
            assert response.status_code == seen
            error = error_of(response)
            assert (error["type"], error["code"]) == ("upstream_error", code)


async def test_an_error_inside_a_success(api: RunningApi, engine: ScriptedEngine) -> None:
    # vLLM 0.13's answer to embeddings of a model that has none.
    told = {
        "message": "The model does not support Embeddings API",
        "type": "BadRequestError",
        "param": None,
        "code": 400,
    }
    engine.script = answering({"error": told})
    response = await api.post(COMPLETIONS, CHAT)
    assert response.status_code == 400
    assert error_of(response) == told


async def test_retry_after_is_passed_on(api: RunningApi, engine: ScriptedEngine) -> None:
    async def script(exchange: Exchange) -> None:
        status = 429 if exchange.request.json().get("n") else 503
        await exchange.whole(b"busy", status=status, headers={"Retry-After": "17"})

    engine.script = script
    for body, status in ((CHAT, 503), ({**CHAT, "n": 1}, 429)):
        response = await api.post(COMPLETIONS, body)
        assert (response.status_code, response.headers["retry-after"]) == (status, "17")


async def test_log_and_metrics_know_everything_but_secrets(
    api: RunningApi, engine: ScriptedEngine
) -> None:
    await api.post(COMPLETIONS, {**CHAT, "messages": [{"role": "user", "content": "PROMPT"}]})
    await api.post(COMPLETIONS, {**CHAT, "stream": True})
    await api.post(COMPLETIONS, {**CHAT, "model": "gone"})
    await api.post(COMPLETIONS, {**CHAT, "model": "nope"})
    metrics = (await api.client.get("/metrics")).text
    counted = 'querylake_requests_total{model="org/chatty",outcome="success",'
    counted += 'route="/v1/chat/completions",stack="stable",upstream="engine"} 2.0'
    assert counted in metrics
    assert 'model="gone",outcome="upstream_error"' in metrics
    assert "nope" not in metrics
    assert 'querylake_time_to_first_token_seconds_count{model="org/chatty"' in metrics

    lines = [line for line in api.log_lines() if line["event"] == "request"]
    assert [line["outcome"] for line in lines] == [
        "success",
        "success",
        "upstream_error",
        "client_error",
    ]
    assert lines[0]["key"].startswith("key_")
    assert lines[1]["first_token_seconds"] > 0
    text = json.dumps(lines)
    assert "PROMPT" not in text
    assert api.key not in text
    assert "engine-secret" not in text
    assert Scope.INFERENCE not in text
