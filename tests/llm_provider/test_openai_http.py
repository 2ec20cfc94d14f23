"""Calls over real sockets to an engine that answers, well or with an error."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from llm_provider.config import Timeouts, UpstreamConfig
from llm_provider.errors import (
    ProviderError,
    UpstreamFailed,
    UpstreamRejected,
)
from llm_provider.openai_http import OpenAIHTTPProvider
from llm_provider.provider import LLMProvider
from llm_provider_testing.scripted_engine import (
    Exchange,
    ScriptedEngine,
    answering,
    completion,
    scripted_engine,
)

REQUEST = {"model": "smol", "messages": [{"role": "user", "content": "Grüße"}], "top_k": 7}
KEY = "upstream-key"


@pytest.fixture
async def provider(engine: ScriptedEngine) -> AsyncIterator[OpenAIHTTPProvider]:
    config = UpstreamConfig("gpu-0", engine.url, KEY, Timeouts(60, 60, 60, 120))
    provider = OpenAIHTTPProvider(config)
    yield provider
    await provider.close()


async def test_chat(engine: ScriptedEngine, provider: LLMProvider) -> None:
    assert await provider.chat(REQUEST) == completion("smol")
    (request,) = engine.requests
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.json() == REQUEST  # fields that nobody here knows, too
    assert request.headers["content-type"] == "application/json"


async def test_stream_chat(engine: ScriptedEngine, provider: LLMProvider) -> None:
    chunks = [chunk async for chunk in provider.stream_chat(REQUEST)]
    texts = [chunk["choices"][0]["delta"]["content"] for chunk in chunks]
    assert texts == ["one", " two", " three"]
    assert engine.requests[0].json() == {**REQUEST, "stream": True}


async def test_embed_and_rerank(engine: ScriptedEngine, provider: LLMProvider) -> None:
    vectors = {"object": "list", "data": [{"index": 0, "embedding": [0.1, -2e-05]}]}
    engine.script = answering(vectors)
    assert await provider.embed({"model": "minilm", "input": "x"}) == vectors
    ranks = {"results": [{"index": 1, "relevance_score": 0.8}]}
    engine.script = answering(ranks)
    query = {"model": "minilm", "query": "q", "documents": ["a", "b"], "top_n": 1}
    assert await provider.rerank(query) == ranks
    assert [r.path for r in engine.requests] == ["/v1/embeddings", "/v1/rerank"]
    assert engine.requests[1].json() == query


async def test_models(engine: ScriptedEngine, provider: LLMProvider) -> None:
    engine.script = answering({"object": "list", "data": [{"id": "smol"}]})
    assert await provider.models() == [{"id": "smol"}]
    assert (engine.requests[0].method, engine.requests[0].path) == ("GET", "/v1/models")
    engine.script = answering({"models": []})
    with pytest.raises(UpstreamFailed, match="no `data`"):
        await provider.models()


async def test_health(engine: ScriptedEngine, provider: LLMProvider) -> None:
    engine.script = answering(b"")
    health = await provider.health()
    assert (health.ok, health.detail) == (True, "status 200")
    assert 0 < health.latency < 60
    assert [r.path for r in engine.requests] == ["/health"]  # at the root, not below /v1
    engine.script = answering(b"dead", status=503)
    health = await provider.health()
    assert (health.ok, health.detail) == (False, "status 503")


@pytest.mark.parametrize(("models_status", "ok"), [(200, True), (401, False)])
async def test_an_engine_without_health_is_asked_for_its_models(
    engine: ScriptedEngine, provider: LLMProvider, models_status: int, ok: bool
) -> None:
    async def script(exchange: Exchange) -> None:
        known = exchange.request.path == "/v1/models"
        await exchange.whole({"data": []}, status=models_status if known else 404)

    engine.script = script
    health = await provider.health()
    assert (health.ok, health.detail) == (ok, f"status {models_status}")
    assert [r.path for r in engine.requests] == ["/health", "/v1/models"]


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://127.0.0.1:1/v1", "Connection refused"),
        ("http://does-not-exist.invalid/v1", ""),
        ("http://127.0.0.1:99999/v1", "base_url"),
        ("127.0.0.1:8000/v1", "base_url"),
    ],
)
async def test_no_engine_at_all_is_a_health_too(address: str, why: str) -> None:
    provider = OpenAIHTTPProvider(UpstreamConfig("gpu-0", address))
    health = await provider.health()
    assert not health.ok
    assert "'gpu-0'" in health.detail
    assert why in health.detail
    await provider.close()


async def test_relay_gives_bytes_and_status_as_they_came(
    engine: ScriptedEngine, provider: LLMProvider
) -> None:
    engine.script = answering(b'{ "odd" : 1.0 }\n', status=418, headers={"X-Tea": "Yes"})
    async with await provider.relay("POST", "/whatever", body=b"{ }") as relay:
        assert relay.status == 418
        assert relay.headers["x-tea"] == "Yes"
        assert await relay.read() == b'{ "odd" : 1.0 }\n'
    assert engine.requests[0].body == b"{ }"


async def test_the_engines_own_key_and_a_request_id_are_sent(
    engine: ScriptedEngine, provider: LLMProvider
) -> None:
    await provider.chat(REQUEST, request_id="req-1")
    await provider.chat(REQUEST)
    first, second = engine.requests
    assert first.headers["authorization"] == second.headers["authorization"] == f"Bearer {KEY}"
    assert first.headers["x-request-id"] == "req-1"
    assert "x-request-id" not in second.headers
    assert first.headers["accept-encoding"] == "identity"  # a compressor would hold tokens back


async def test_without_a_key_none_is_sent(engine: ScriptedEngine) -> None:
    provider = OpenAIHTTPProvider(UpstreamConfig("gpu-0", engine.url))
    await provider.chat(REQUEST)
    assert "authorization" not in engine.requests[0].headers
    await provider.close()


def test_the_key_is_not_shown() -> None:
    config = UpstreamConfig("gpu-0", "http://x/v1", KEY)
    assert "gpu-0" in repr(config)
    assert KEY not in repr(config)


@pytest.mark.parametrize("status", [400, 401, 404, 422, 429])
async def test_4xx_is_the_callers_and_comes_whole(
    engine: ScriptedEngine, provider: LLMProvider, status: int
) -> None:
    engine.script = answering({"error": "no"}, status=status, headers={"Retry-After": "7"})
    with pytest.raises(UpstreamRejected, match=f"'gpu-0'.*{status}") as caught:
        await provider.chat(REQUEST)
    assert caught.value.status == status
    assert json.loads(caught.value.body) == {"error": "no"}
    assert caught.value.headers["retry-after"] == "7"
    with pytest.raises(UpstreamRejected):
        [chunk async for chunk in provider.stream_chat(REQUEST)]


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_5xx_is_the_engines_whatever_its_body(
    engine: ScriptedEngine, provider: LLMProvider, status: int
) -> None:
    page = b"<html>Oops</html>"
    headers = {"Retry-After": "3"}
    engine.script = answering(page, status=status, content_type="text/html", headers=headers)
    with pytest.raises(UpstreamFailed) as caught:
        await provider.chat(REQUEST)
    assert (caught.value.status, caught.value.body) == (status, page)
    assert caught.value.headers["retry-after"] == "3"
    with pytest.raises(UpstreamFailed):
        [chunk async for chunk in provider.stream_chat(REQUEST)]


_ERROR = {"message": "no", "type": "x"}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"error": {**_ERROR, "code": 400}}, UpstreamRejected),
        ({"error": {**_ERROR, "code": 500}}, UpstreamFailed),
        ({"error": _ERROR}, UpstreamFailed),
        ({"error": "no"}, UpstreamFailed),
        ({"object": "error", "message": "no", "code": 404}, UpstreamRejected),
        (b"<html>", UpstreamFailed),
        (b"", UpstreamFailed),
        ([1], UpstreamFailed),
    ],
)
async def test_an_error_with_status_200_is_an_error(
    engine: ScriptedEngine, provider: LLMProvider, body: object, error: type[ProviderError]
) -> None:
    engine.script = answering(body)
    with pytest.raises(error) as caught:
        await provider.chat(REQUEST)
    assert type(caught.value) is error


async def test_a_redirect_is_not_followed(engine: ScriptedEngine, provider: LLMProvider) -> None:
    async with scripted_engine() as other:
        engine.script = answering(b"", status=307, headers={"Location": other.url})
        with pytest.raises(UpstreamFailed) as caught:
            await provider.chat(REQUEST)
        assert caught.value.status == 307
        assert caught.value.headers["location"] == other.url
        assert other.connections == 0


async def test_proxies_of_the_environment_are_not_used(
    provider: LLMProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert await provider.chat(REQUEST) == completion("smol")
