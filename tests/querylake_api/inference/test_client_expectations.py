"""What clients look for: pages of other origins, wrong base URLs, signs of life, one number."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from llm_provider_testing.scripted_engine import Exchange, answer_chat, answering
from querylake_api_testing.several_engines import CHAT, PATH, Replicas, replicas

PAGE = "http://localhost:5173"
PREFLIGHT = {
    "origin": PAGE,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization, content-type, x-stainless-os",
}


async def nothing_at(engines: Replicas, method: str, path: str) -> str:
    response = await engines.api.client.request(method, path, headers=engines.api.headers())
    assert response.status_code == 404
    message = response.json()["error"]["message"]
    assert isinstance(message, str)
    return message


async def test_pages_of_other_origins(tmp_path: Path, database_url: str) -> None:
    async with replicas(tmp_path, database_url, 1, server={"cors_origins": [PAGE]}) as engines:
        api = engines.api
        asked = await api.client.options(PATH, headers=PREFLIGHT)
        assert (asked.status_code, asked.content) == (204, b"")
        assert asked.headers["access-control-allow-origin"] == PAGE
        assert "POST" in asked.headers["access-control-allow-methods"]
        assert asked.headers["access-control-allow-headers"] == (
            PREFLIGHT["access-control-request-headers"]
        )
        assert asked.headers["vary"] == "Origin"
        for stream, key in ((False, api.key), (True, api.key), (False, "sk-wrong")):
            headers = {"origin": PAGE, **api.headers(key)}
            answer = await api.client.post(PATH, json={**CHAT, "stream": stream}, headers=headers)
            assert answer.status_code == (401 if key == "sk-wrong" else 200)
            assert answer.headers["access-control-allow-origin"] == PAGE
        for path, status in (("/v1/models", 200), ("/v1/nothing", 404), ("/healthz", 200)):
            answer = await api.client.get(path, headers={"origin": PAGE, **api.headers()})
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == PAGE
        for path, origin in (("/admin/keys", PAGE), (PATH, "http://evil.example")):
            asked = await api.client.options(path, headers={**PREFLIGHT, "origin": origin})
            assert asked.status_code == 405
            assert "access-control-allow-origin" not in asked.headers


async def test_no_page_may_call_unless_it_was_configured(tmp_path: Path, database_url: str) -> None:
    async with replicas(tmp_path, database_url, 1) as engines:
        asked = await engines.api.client.options(PATH, headers=PREFLIGHT)
        assert asked.status_code == 405
        answer = await engines.api.client.post(
            PATH, json=CHAT, headers={"origin": PAGE, **engines.api.headers()}
        )
        for response in (asked, answer):
            assert not [name for name in response.headers if name.startswith("access-control")]


async def test_wrong_base_urls_are_told_from_the_rest(tmp_path: Path, database_url: str) -> None:
    async with replicas(tmp_path, database_url, 1) as engines:
        for path in (
            "/v1/chat/completions/",
            "//v1/chat/completions",
            "/v1/v1/chat/completions",
            "/chat/completions",
            "/api/v1/chat/completions",
            "/v1//chat/completions",
        ):
            message = await nothing_at(engines, "POST", path)
            assert "Did you mean POST /v1/chat/completions?" in message
            assert "The base URL ends with /v1" in message
        assert "GET /v1/models" in await nothing_at(engines, "GET", "/models")
        assert "GET /v1/models" in await nothing_at(engines, "GET", "/v1/")
        assert "/v1/embeddings?" in await nothing_at(engines, "POST", "/v1/embedding")
        assert "See /docs" in await nothing_at(engines, "GET", "/wp-login.php")
        message = await nothing_at(engines, "POST", "/v1/v1/messages")
        assert "Did you mean POST /v1/messages?" in message
        assert "ends before /v1" in message
        listed = await engines.api.get("/v1/models/")
        assert [model["id"] for model in listed.json()["data"]] == ["m"]


async def test_below_messages_errors_are_anthropics(tmp_path: Path, database_url: str) -> None:
    async with replicas(tmp_path, database_url, 1) as engines:
        for path in ("/v1/messages/batches", "/v1/messages/x/y", "/v1/v1/messages"):
            response = await engines.api.post(path, {})
            document = response.json()
            assert (response.status_code, document["type"]) == (404, "error")
            assert document["error"]["type"] == "not_found_error"


async def test_tokens_are_counted_by_engines_that_can(tmp_path: Path, database_url: str) -> None:
    both: dict[str, object] = {"capabilities": ["chat", "messages"]}
    path = "/v1/messages/count_tokens"
    async with replicas(tmp_path, database_url, 2, model=both) as engines:
        first, second = engines.engines
        first.script = answering({"detail": "Not Found"}, status=404)
        second.script = answering({"input_tokens": 14})
        for _ in range(3):
            response = await engines.api.post(path, {"model": "m", "messages": []})
            assert (response.status_code, response.json()) == (200, {"input_tokens": 14})
        assert second.requests[-1].path.endswith("/v1/messages/count_tokens")
        assert second.requests[-1].json()["model"] == "M"
        second.script = first.script
        response = await engines.api.post(path, {"model": "m", "messages": []})
        assert (response.status_code, response.json()["type"]) == (404, "error")
        assert response.json()["error"]["code"] == "not_offered_by_engine"
        assert (await engines.api.client.get("/readyz")).json()["status"] == "ready"


async def test_the_headers_of_anthropics_protocol_go_on(tmp_path: Path, database_url: str) -> None:
    both: dict[str, object] = {"capabilities": ["chat", "messages"]}
    async with replicas(tmp_path, database_url, 1, model=both) as engines:
        engines.engines[0].script = answering({"content": [], "usage": {}})
        told = {"anthropic-version": "2023-06-01", "anthropic-beta": "a,b", "x-other": "no"}
        for path, forwarded in (("/v1/messages", True), (PATH, False)):
            await engines.api.client.post(
                path, json=CHAT, headers={**engines.api.headers(), **told}
            )
            headers = engines.engines[0].requests[-1].headers
            assert ("anthropic-version" in headers, "x-other" in headers) == (forwarded, False)
        headers = engines.engines[0].requests[0].headers
        assert (headers["anthropic-version"], headers["anthropic-beta"]) == ("2023-06-01", "a,b")


async def test_probes_and_people_find_something(tmp_path: Path, database_url: str) -> None:
    async with replicas(tmp_path, database_url, 1) as engines:
        client = engines.api.client
        assert (await client.get("/health")).json()["status"] == "ok"
        front = (await client.get("/")).json()
        assert (front["name"], front["docs"]) == ("QueryLake", "/docs")
        assert front["base_url"] == f"{engines.api.url}/v1"
        led = await client.get("/", headers={"accept": "text/html,*/*;q=0.8"})
        assert (led.status_code, led.headers["location"]) == (307, "/ui")
        assert "<title>QueryLake" in (await client.get("/ui")).text


async def test_a_key_is_made_without_a_content_type(tmp_path: Path, database_url: str) -> None:
    async with replicas(tmp_path, database_url, 1) as engines:
        response = await engines.api.client.post(
            "/admin/keys",
            content=json.dumps({"name": "x"}),
            headers=engines.api.headers(engines.api.admin_key),
        )
        assert response.status_code == 201


@pytest.fixture(params=[1])
async def slow(
    tmp_path: Path, database_url: str, request: pytest.FixtureRequest, _any_server: None
) -> Any:
    alive: dict[str, object] = {"stream_keepalive_seconds": 0.1}
    async with replicas(tmp_path, database_url, 2, server=alive) as engines:
        yield engines


async def test_a_stream_that_is_silent_shows_signs_of_life(slow: Replicas) -> None:
    go_on = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await go_on.wait()
        await answer_rest(exchange)

    slow.engines[0].script = script
    async with slow.streaming() as pieces:
        seen = b""
        while seen.count(b": keep-alive\n\n") < 2:
            seen += await anext(pieces)
        go_on.set()
        async for piece in pieces:
            seen += piece
    events = seen.replace(b": keep-alive\n\n", b"")
    assert events.startswith(b'data: {"id"')
    assert events.endswith(b"data: [DONE]\n\n")
    assert slow.record()["outcome"] == "success"


async def answer_rest(exchange: Exchange) -> None:
    await exchange.token("one", finish_reason="stop")
    await exchange.end_stream()


async def test_behind_signs_of_life_another_replica_is_asked(slow: Replicas) -> None:
    seen_alive = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await seen_alive.wait()
        await exchange.piece(b'data: {"error": {"message": "boom", "code": 500}}\n\n')
        await exchange.end_stream()

    slow.engines[0].script = script
    async with slow.streaming() as pieces:
        assert await anext(pieces) == b": keep-alive\n\n"
        seen_alive.set()
        rest = b"".join([piece async for piece in pieces])
    assert b"boom" not in rest
    assert rest.endswith(b"data: [DONE]\n\n")
    assert slow.asked() == [1, 1]
    for engine in slow.engines:
        engine.script = script
    response: httpx.Response = await slow.ask(stream=True)
    # The signs of life may have gone out first, and with them the status.
    assert response.status_code in (200, 502)
    assert "upstream_failed" in response.text


async def test_silence_is_passed_on_as_it_is(tmp_path: Path, database_url: str) -> None:
    async with replicas(tmp_path, database_url, 1) as engines:
        engines.engines[0].script = answer_chat
        response = await engines.ask(stream=True)
        assert b"keep-alive" not in response.content


@pytest.mark.parametrize("depth", [253, 254, 300, 900, 1200, 100_000])
async def test_json_of_any_depth_is_no_fault_of_ours(
    tmp_path: Path, database_url: str, depth: int
) -> None:
    deep = "[" * depth + "]" * depth
    shown = "[" * min(depth, 900) + "]" * min(depth, 900)
    ranks: dict[str, object] = {"capabilities": ["rerank"]}
    async with replicas(tmp_path, database_url, 1, model=ranks) as engines:
        api = engines.api
        engines.engines[0].script = answering(
            b'{"results": [{"index": 0, "document": 1, "deep": %b}]}' % shown.encode()
        )
        body = (
            f'{{"model": "m", "query": "q", "return_documents": false, "deep": {deep}, '
            f'"documents": [{{"text": "a"}}, {{"other": {deep}}}]}}'
        )
        response = await api.client.post("/v1/rerank", content=body, headers=api.headers())
        # The deepest have more values than a request may have, which is seen before their depth.
        assert response.status_code == (200 if depth < 1000 else 400 if depth < 10_000 else 413)
        if depth < 1000:
            assert '"document"' not in response.text
            told = engines.engines[0].requests[0].body.decode()
            assert deep in told
            assert '"documents": ["a",{' in told
        for path in ("/admin/keys", "/admin/rollouts"):
            for body in (f'{{"name": "x", "deep": {deep}}}', f'{{"name": {deep}}}', deep):
                headers = api.headers(api.admin_key)
                response = await api.client.post(path, content=body, headers=headers)
                assert response.status_code in (400, 422), path


async def test_options_of_a_stream_may_be_deep(tmp_path: Path, database_url: str) -> None:
    deep: Any = json.loads("[" * 300 + "]" * 300)
    async with replicas(tmp_path, database_url, 1) as engines:
        options = {"include_usage": False, "deep": deep}
        body = {**CHAT, "stream": True, "stream_options": options}
        assert (await engines.api.post(PATH, body)).status_code == 200
        told = engines.engines[0].requests[0].json()["stream_options"]
        assert told == {"include_usage": True, "deep": deep}
