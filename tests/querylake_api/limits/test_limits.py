"""Limits as clients meet them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx

from llm_provider_testing.scripted_engine import (
    Exchange,
    ScriptedEngine,
    answer_chat,
    answering,
    completion,
    in_two_parts,
)
from querylake_api.limits.estimate import ANSWER_TOKENS, MEDIA_TOKENS, estimated_tokens
from querylake_api.limits.headers import duration
from querylake_api_testing.running import RunningApi
from querylake_api_testing.streams import whole_stream
from waiting_testing.waiting import eventually

CHAT = {"model": "default", "messages": []}


async def key_with(api: RunningApi, **limits: object) -> dict[str, Any]:
    response = await api.post("/admin/keys", {"name": "n", **limits}, key=api.admin_key)
    assert response.status_code == 201
    document: dict[str, Any] = response.json()
    assert {name: document[name] for name in limits} == limits
    return document


async def chat(api: RunningApi, key: dict[str, Any], **fields: object) -> httpx.Response:
    return await api.post("/v1/chat/completions", {**CHAT, **fields}, key=key["key"])


async def change(api: RunningApi, key: dict[str, Any], **fields: object) -> httpx.Response:
    return await api.client.patch(
        f"/admin/keys/{key['id']}", json=fields, headers=api.headers(api.admin_key)
    )


def refused(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 429
    error: dict[str, Any] = response.json()["error"]
    assert error["code"] == "rate_limit_exceeded"
    assert error["type"] == "rate_limit_error"
    assert int(response.headers["retry-after"]) >= 1
    return error


async def test_requests_per_minute(api: RunningApi, engine: ScriptedEngine) -> None:
    key = await key_with(api, requests_per_minute=3)
    for remaining in ("2", "1", "0"):
        response = await chat(api, key)
        assert response.status_code == 200
        assert response.headers["x-ratelimit-limit-requests"] == "3"
        assert response.headers["x-ratelimit-remaining-requests"] == remaining
        assert response.headers["x-ratelimit-reset-requests"] in ("1m0s", "1m1s")
        assert "x-ratelimit-limit-tokens" not in response.headers
    response = await chat(api, key)
    error = refused(response)
    assert error["param"] == "requests_per_minute"
    assert "on requests per minute: limit 3, used 3, requested 1. Try again in" in error["message"]
    assert response.headers["x-ratelimit-remaining-requests"] == "0"
    assert 30 <= int(response.headers["retry-after"]) <= 60
    assert len(engine.requests) == 3
    # Another key's requests are its own, and a key without limits has no such headers.
    response = await api.post("/v1/chat/completions", CHAT)
    assert response.status_code == 200
    assert not [name for name in response.headers if name.startswith("x-ratelimit")]


async def test_a_request_that_never_reached_a_model_uses_nothing_up(api: RunningApi) -> None:
    key = await key_with(api, requests_per_minute=1)
    bodies: list[object] = [{"model": "nope"}, {"messages": []}, []]
    for body in bodies:
        response = await api.post("/v1/chat/completions", body, key=key["key"])
        assert response.status_code in (400, 404)
    assert (await chat(api, key)).status_code == 200


async def test_an_answer_that_is_an_error_tells_the_limits_too(api: RunningApi) -> None:
    key = await key_with(api, requests_per_minute=5)
    response = await api.post("/v1/chat/completions", {**CHAT, "model": "gone"}, key=key["key"])
    assert response.status_code == 503
    assert response.headers["x-ratelimit-remaining-requests"] == "4"


async def test_tokens_are_reserved_and_then_settled(
    api: RunningApi, engine: ScriptedEngine
) -> None:
    key = await key_with(api, tokens_per_minute=1000)
    held = asyncio.Event()
    answer = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        held.set()
        await answer.wait()
        await exchange.whole(completion(exchange.request.json()["model"]))

    engine.script = script
    first = asyncio.create_task(chat(api, key, max_tokens=900))
    await held.wait()
    error = refused(await chat(api, key, max_tokens=200))
    assert error["param"] == "tokens_per_minute"
    assert "limit 1000, used 900, requested 200" in error["message"]
    answer.set()
    response = await first
    assert response.status_code == 200
    assert response.headers["x-ratelimit-limit-tokens"] == "1000"
    assert response.headers["x-ratelimit-remaining-tokens"] == "100"
    # The engine said that it was 6.
    response = await chat(api, key, max_tokens=100)
    assert response.headers["x-ratelimit-remaining-tokens"] == "894"


async def test_tokens_of_streams_are_settled(api: RunningApi, engine: ScriptedEngine) -> None:
    key = await key_with(api, tokens_per_minute=1000)
    usage = {"prompt_tokens": 250, "completion_tokens": 350, "total_tokens": 600}

    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.token("one", finish_reason="stop")
        chunk = b'{"object":"chat.completion.chunk","choices":[],"usage":%b}'
        await exchange.piece(b"data: " + chunk % str(usage).replace("'", '"').encode() + b"\n\n")
        await exchange.end_stream()

    engine.script = script
    response = await chat(api, key, stream=True, max_tokens=10)
    assert response.headers["x-ratelimit-remaining-tokens"] == "990"
    response = await chat(api, key, stream=True, max_tokens=10)
    assert response.headers["x-ratelimit-remaining-tokens"] == "390"
    # Nobody knew that the second would take so many; what comes later has to wait for it.
    assert refused(await chat(api, key, max_tokens=1))["param"] == "tokens_per_minute"


async def test_a_failure_before_the_first_token_costs_no_tokens(api: RunningApi) -> None:
    key = await key_with(api, tokens_per_minute=1000)
    for _ in range(3):
        body = {**CHAT, "model": "gone", "max_tokens": 900}
        response = await api.post("/v1/chat/completions", body, key=key["key"])
        assert response.status_code == 503


async def test_the_largest_request_waits_for_all_of_the_minute_and_no_longer(
    api: RunningApi,
) -> None:
    key = await key_with(api, tokens_per_minute=100)
    response = await chat(api, key, max_tokens=100_000)
    assert response.status_code == 200
    assert response.headers["x-ratelimit-remaining-tokens"] == "0"


async def test_concurrency_counts_streams_until_their_last_byte(
    api: RunningApi, engine: ScriptedEngine
) -> None:
    key = await key_with(api, concurrency=2)
    finish = asyncio.Event()

    engine.script = in_two_parts(finish)
    headers = api.headers(key["key"])
    begun = [asyncio.Event(), asyncio.Event()]
    streams = [asyncio.create_task(whole_stream(api.client, headers, event.set)) for event in begun]
    await asyncio.gather(*(event.wait() for event in begun))
    response = await chat(api, key)
    error = refused(response)
    assert error["param"] == "concurrency"
    assert "limit 2, in progress 2" in error["message"]
    assert response.headers["retry-after"] == "1"

    finish.set()
    await asyncio.gather(*streams)
    engine.script = answer_quickly
    for _ in range(3):
        assert (await chat(api, key)).status_code == 200


async def answer_quickly(exchange: Exchange) -> None:
    await exchange.whole(completion(exchange.request.json()["model"]))


async def test_every_ending_gives_the_place_back(api: RunningApi, engine: ScriptedEngine) -> None:
    key = await key_with(api, concurrency=1)
    arrived = asyncio.Event()
    gone = asyncio.Event()

    async def hang(exchange: Exchange) -> None:
        arrived.set()
        await exchange.caller_gone()
        gone.set()

    async def fail(exchange: Exchange) -> None:
        await exchange.whole(b"<html>", status=500)

    async def die_in_stream(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.token("one")
        exchange.reset()

    engine.script = hang
    leaving = asyncio.create_task(chat(api, key))
    await arrived.wait()
    leaving.cancel()
    await asyncio.wait([leaving])
    await gone.wait()
    engine.script = fail
    assert (await until_admitted(api, key)).status_code == 502
    engine.script = die_in_stream
    response = await until_admitted(api, key, stream=True)
    assert b'"error"' in response.content
    response = await until_admitted(api, key, model="gone")
    assert response.status_code == 503
    engine.script = answer_quickly
    assert (await until_admitted(api, key)).status_code == 200


async def until_admitted(api: RunningApi, key: dict[str, Any], **fields: object) -> httpx.Response:
    """Ask until the previous request, whose client has its answer, is over for the server too."""
    return await eventually(
        lambda: chat(api, key, **fields), lambda response: response.status_code != 429
    )


async def test_a_key_can_be_changed(api: RunningApi) -> None:
    key = await key_with(api, requests_per_minute=1)
    assert (await chat(api, key)).status_code == 200
    refused(await chat(api, key))
    changed = (await change(api, key, requests_per_minute=5, name="other")).json()
    assert (changed["requests_per_minute"], changed["name"]) == (5, "other")
    assert (changed["scopes"], changed["models"]) == (["inference"], None)
    assert (await chat(api, key)).headers["x-ratelimit-remaining-requests"] == "3"

    changed = (await change(api, key, models=["embedder"], scopes=["admin", "inference"])).json()
    assert (changed["models"], changed["scopes"]) == (["embedder"], ["admin", "inference"])
    assert changed["requests_per_minute"] == 5
    assert (await chat(api, key)).status_code == 403
    changed = (await change(api, key, models=None, expires_in_days=1e-9)).json()
    assert changed["models"] is None
    assert (await chat(api, key)).json()["error"]["code"] == "expired_api_key"
    changed = (await change(api, key, expires_in_days=None)).json()
    assert changed["expires_at"] is None
    assert (await chat(api, key)).status_code == 200
    shown = await api.get(f"/admin/keys/{key['id']}", key=api.admin_key)
    assert shown.json() == changed


async def test_mistakes_in_changes(api: RunningApi) -> None:
    key = await key_with(api)
    cases: list[tuple[dict[str, object], int, str, str | None]] = [
        ({"requests_per_minute": -1}, 422, "invalid_value", "requests_per_minute"),
        ({"concurrency": "many"}, 422, "invalid_value", "concurrency"),
        ({"name": None}, 422, "invalid_value", "name"),
        ({"scopes": []}, 422, "invalid_value", "scopes"),
        ({"models": ["nope"]}, 422, "unknown_model", "models"),
        ({"revoked_at": None}, 422, "invalid_value", "revoked_at"),
        ({"name": "for " + key["key"]}, 422, "invalid_value", "name"),
    ]
    for fields, status, code, param in cases:
        response = await change(api, key, **fields)
        error = response.json()["error"]
        assert (response.status_code, error["code"], error["param"]) == (status, code, param)
        assert key["key"] not in response.text
    response = await change(api, {"id": "key_x"}, name="x")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "key_not_found")
    await api.client.delete(f"/admin/keys/{key['id']}", headers=api.headers(api.admin_key))
    response = await change(api, key, name="x")
    assert (response.status_code, response.json()["error"]["code"]) == (409, "key_revoked")
    assert (await change(api, {"id": "key_x"})).status_code == 404


async def test_a_client_that_leaves_is_charged_for_what_it_had(
    api: RunningApi, engine: ScriptedEngine
) -> None:
    key = await key_with(api, tokens_per_minute=3000)
    had = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for number in range(27):
            await exchange.token(f"t{number} ")
        had.set()
        await exchange.caller_gone()

    engine.script = script
    body = {"model": "default", "messages": [{"role": "user", "content": "x" * 32}]}
    async with api.client.stream(
        "POST",
        "/v1/chat/completions",
        json={**body, "stream": True, "max_tokens": 2000},
        headers=api.headers(key["key"]),
    ) as response:
        assert response.headers["x-ratelimit-remaining-tokens"] == "991"
        pieces = response.aiter_bytes()
        seen = b""
        while seen.count(b"data: ") < 27:
            seen += await anext(pieces)
        await had.wait()
    lines = await api.requests_logged(2)  # the first is of the key's own making
    assert lines[-1]["outcome"] == "client_abort"
    engine.script = answer_chat
    remaining = (await chat(api, key, max_tokens=1)).headers["x-ratelimit-remaining-tokens"]
    # 9 for the prompt and its role, 27 that came, and the estimate of this request.
    assert int(remaining) == 3000 - 9 - 27 - 1


async def test_when_to_come_back_is_one_number(api: RunningApi, engine: ScriptedEngine) -> None:
    key = await key_with(api, tokens_per_minute=100)
    usage = {"prompt_tokens": 1, "completion_tokens": 95}
    engine.script = answering({"choices": [], "usage": usage})
    await chat(api, key, max_tokens=90)
    response = await chat(api, key, max_tokens=90)
    assert response.status_code == 429
    wait = response.headers["retry-after"]
    assert int(wait) <= 60
    assert f"Try again in {wait} s." in response.json()["error"]["message"]


async def test_defaults_are_for_keys_without_their_own_and_can_be_reloaded(
    api: RunningApi, config_file: Path
) -> None:
    plain = await key_with(api)
    free = await key_with(api, requests_per_minute=0)
    own = await key_with(api, requests_per_minute=9)
    text = config_file.read_text(encoding="utf-8")
    config_file.write_text(text + "[limits]\nrequests_per_minute = 2\n", encoding="utf-8")
    response = await api.client.post("/admin/config/reload", headers=api.headers(api.admin_key))
    assert response.json()["changed"] is True
    assert (await chat(api, plain)).headers["x-ratelimit-limit-requests"] == "2"
    assert (await chat(api, own)).headers["x-ratelimit-limit-requests"] == "9"
    assert "x-ratelimit-limit-requests" not in (await chat(api, free)).headers


def test_estimates() -> None:
    def estimate(request: dict[str, object], generates: bool = True) -> int:
        return estimated_tokens(request, generates=generates)

    assert estimate({}) == ANSWER_TOKENS
    assert estimate({"max_tokens": 10, "n": 3}) == 30
    assert estimate({"max_completion_tokens": 7, "max_tokens": 10}) == 7
    assert estimate({"max_tokens": True, "n": "x"}) == ANSWER_TOKENS
    assert estimate({"prompt": "x" * 400, "max_tokens": 1}) == 101
    assert estimate({"input": [[1, 2, 3], [4]]}, generates=False) == 4
    assert estimate({"input": ["abcd", "efgh"]}, generates=False) == 2
    assert estimate({"query": "abcd", "documents": [{"text": "abcd"}]}, generates=False) == 2
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 900_000}}
    message = {"role": "user", "content": [{"type": "text", "text": "abc"}, image]}
    tokens = estimate({"messages": [message], "max_tokens": 1})
    assert MEDIA_TOKENS < tokens < MEDIA_TOKENS + 20
    sound = {"input_audio": {"data": "A" * 900_000}}
    tokens = estimate({"messages": [{"content": [sound]}], "max_tokens": 1})
    assert MEDIA_TOKENS < tokens < MEDIA_TOKENS + 20
    deep: object = "x" * 8
    for _ in range(100_000):
        deep = [deep]
    assert estimate({"input": deep}, generates=False) == 2


def test_durations_are_in_the_form_of_openai() -> None:
    assert duration(0) == b"0s"
    assert duration(59) == b"59s"
    assert duration(61) == b"1m1s"
