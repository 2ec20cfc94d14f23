"""`/healthz`, `/readyz`, `/metrics`, the documents, and what is nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine
from querylake_api.keys.models import ApiKey
from querylake_api_testing.running import RunningApi, running_api, write_config
from querylake_version import VERSION


async def test_alive(api: RunningApi) -> None:
    response = await api.client.get("/healthz")
    assert response.json() == {"status": "ok", "version": VERSION}
    assert response.headers["x-request-id"]


async def test_each_dependency_is_named_with_its_state(api: RunningApi) -> None:
    response = await api.client.get("/readyz")
    assert response.status_code == 200
    report = response.json()
    assert report["status"] == "degraded"
    assert report["database"]["state"] == "up"
    assert report["upstreams"]["engine"]["state"] == "up"
    assert report["upstreams"]["away"]["state"] == "down"
    assert report["upstreams"]["away"]["detail"]


async def test_not_ready_when_no_model_has_an_engine(
    tmp_path: Path, database_url: str, engine: ScriptedEngine
) -> None:
    async def sick(exchange: Exchange) -> None:
        await exchange.whole(b"", status=503)

    config = write_config(
        tmp_path,
        database=database_url,
        upstreams={"engine": {"base_url": engine.url}},
        models={"m": {"capabilities": ["chat"], "targets": [{"upstream": "engine", "model": "m"}]}},
    )
    engine.probe_script = sick
    async with running_api(config) as api:
        response = await api.client.get("/readyz")
        assert response.status_code == 503
        assert response.json()["status"] == "unavailable"


async def test_nothing_there(api: RunningApi) -> None:
    for path in ("/nope", "/v1", "/v1/nope", "/v1/models//", "/v1/chat/completions/", "/%ff"):
        response = await api.get(path)
        assert response.status_code == 404
        assert response.json()["error"]["type"] == "invalid_request_error"
        assert response.headers["x-request-id"]
    response = await api.client.put("/healthz")
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD"
    assert response.json()["error"]["code"] == "method_not_allowed"
    assert 'route=""' in (await api.client.get("/metrics")).text


async def test_the_document_has_every_route_with_an_example(api: RunningApi) -> None:
    document = (await api.client.get("/openapi.json")).json()
    assert document["info"]["version"] == VERSION
    for path in ("chat/completions", "completions", "embeddings", "rerank"):
        operation = document["paths"][f"/v1/{path}"]["post"]
        content = operation["requestBody"]["content"]["application/json"]
        assert set(content["schema"]["required"]) <= set(content["example"])
        assert {"200", "401", "404", "503"} <= set(operation["responses"])
        [requirement] = operation["security"]
        assert set(requirement) <= set(document["components"]["securitySchemes"])
    assert {"/v1/models", "/v1/models/{name}", "/admin/keys", "/readyz"} <= set(document["paths"])
    assert (await api.client.get("/docs")).status_code == 200


async def test_a_fault_of_ours_is_a_sentence(
    api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("private matter")

    monkeypatch.setattr(ApiKey, "may_use", broken)
    for response in (
        await api.post("/v1/chat/completions", {"model": "default", "messages": []}),
        await api.get("/v1/models"),
    ):
        assert response.status_code == 500
        error = response.json()["error"]
        assert (error["type"], error["code"]) == ("server_error", "internal_error")
        assert response.headers["x-request-id"] in error["message"]
        assert "private matter" not in response.text
    lines = api.log_lines()
    assert sum("private matter" in line.get("exception", "") for line in lines) == 2
    assert [line["outcome"] for line in lines if line["event"] == "request"] == ["server_error"] * 2
