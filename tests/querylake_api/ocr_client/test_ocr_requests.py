"""`/v1/ocr` in front of a service: what passes, in which words faults are told, and what counts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine
from querylake_api_testing.ocr import (
    JOB,
    SERVICE_KEY,
    VIEW,
    ConfigureOcr,
    event,
    key_with,
    raw_service,
    upload,
)
from querylake_api_testing.running import RunningApi, running_api
from waiting_testing.waiting import PATIENCE


async def test_the_service_learns_whose_it_is_and_nothing_of_the_clients_key(
    ocr_api: RunningApi, ocr_service: ScriptedEngine
) -> None:
    key = await key_with(ocr_api)
    response = await ocr_api.client.get(
        f"/v1/ocr/jobs?limit=7&api_key={key['key']}",
        headers={
            "authorization": f"Bearer {key['key']}",
            "x-ocr_api-key": key["key"],
            "cookie": key["key"],
            "x-querylake-owner": "somebody-else",
            "x-request-id": "mine-1",
        },
    )
    assert response.status_code == 200
    assert response.json() == VIEW
    assert response.headers["x-request-id"] == "mine-1"
    (request,) = ocr_service.requests
    assert request.path == "/v1/ocr/jobs?limit=7"
    assert request.headers["authorization"] == f"Bearer {SERVICE_KEY}"
    assert request.headers["x-querylake-owner"] == key["id"]
    assert request.headers["x-request-id"] == "mine-1"
    assert key["key"] not in str(request)


@pytest.mark.parametrize(
    "query", ["page=2", "password=Top5ecret", "key=Top5ecret", "pages=1&pages=2"]
)
async def test_a_parameter_that_would_change_nothing_is_refused(
    ocr_api: RunningApi, ocr_service: ScriptedEngine, query: str
) -> None:
    response = await ocr_api.client.post(
        f"/v1/ocr?{query}", headers=ocr_api.headers(), content=b"%PDF-1.7"
    )
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, query.partition("=")[0])
    assert "Top5ecret" not in response.text
    assert ocr_service.requests == []


@pytest.mark.parametrize("path", ["result", "markdown"])
async def test_a_document_comes_back_as_it_is(
    ocr_api: RunningApi, ocr_service: ScriptedEngine, path: str
) -> None:
    document = b"# A lake\n\xe6\xb0\xb4" * 50_000

    async def answer(exchange: Exchange) -> None:
        kind, headers = "text/markdown; charset=utf-8", {"x-ocr-status": "partial", "x-inner": "1"}
        await exchange.whole(document, content_type=kind, headers=headers)

    ocr_service.script = answer
    response = await ocr_api.get(f"{JOB}/{path}")
    assert response.content == document
    assert response.headers["content-type"] == "text/markdown; charset=utf-8"
    assert response.headers["content-length"] == str(len(document))
    assert response.headers["x-ocr-status"] == "partial"
    assert "x-inner" not in response.headers
    assert ocr_service.requests[0].path == f"{JOB}/{path}"


async def test_delete_reaches_the_service(ocr_api: RunningApi, ocr_service: ScriptedEngine) -> None:
    response = await ocr_api.client.delete(JOB, headers=ocr_api.headers())
    assert response.status_code == 200
    assert (ocr_service.requests[0].method, ocr_service.requests[0].path) == ("DELETE", JOB)


@pytest.mark.parametrize("path", [JOB, "/v1/ocr/jobs", f"{JOB}/markdown"])
async def test_head_is_served_wherever_get_is(
    ocr_api: RunningApi, ocr_service: ScriptedEngine, path: str
) -> None:
    got = await ocr_api.get(path)
    head = await ocr_api.client.head(path, headers=ocr_api.headers())
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["content-length"] == str(len(got.content))
    assert [request.method for request in ocr_service.requests] == ["GET", "GET"]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd", "br"])
async def test_a_document_that_is_compressed_is_refused_before_the_service_hears_of_it(
    ocr_api: RunningApi, ocr_service: ScriptedEngine, coding: str
) -> None:
    headers = {**ocr_api.headers(), "content-type": "application/pdf", "content-encoding": coding}
    response = await ocr_api.client.post("/v1/ocr", content=b"x", headers=headers)
    assert response.status_code == 415
    assert coding in response.json()["error"]["message"]
    assert response.headers["accept-encoding"] == "identity"
    assert ocr_service.requests == []


@pytest.mark.parametrize("status", [400, 404, 409, 410, 413, 415, 422])
async def test_refusals_pass(ocr_api: RunningApi, ocr_service: ScriptedEngine, status: int) -> None:
    error = {
        "message": "The document cannot be converted.",
        "type": "invalid_request_error",
        "param": "file",
        "code": "encrypted",
    }

    async def script(exchange: Exchange) -> None:
        await exchange.whole({"error": error}, status=status)

    ocr_service.script = script
    response = await upload(ocr_api)
    assert response.status_code == status
    assert response.json() == {"error": error}


@pytest.mark.parametrize(
    ("theirs", "ours", "code"),
    [
        (401, 502, "upstream_credentials"),
        (500, 502, "upstream_failed"),
        (503, 503, "upstream_overloaded"),
        (504, 504, "upstream_timeout"),
    ],
)
async def test_faults_are_told_in_our_words(
    ocr_api: RunningApi, ocr_service: ScriptedEngine, theirs: int, ours: int, code: str
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.whole(b"Traceback: /srv/secret", status=theirs)

    ocr_service.script = script
    response = await upload(ocr_api)
    assert response.status_code == ours
    assert response.json()["error"]["code"] == code
    assert "secret" not in response.text


async def test_a_service_that_is_away_is_503_and_said_so_in_readyz(
    configure_ocr: ConfigureOcr,
) -> None:
    async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        return

    async with raw_service(nothing) as url:
        pass  # from here on nobody listens there
    async with running_api(configure_ocr(url)) as api:
        response = await upload(api)
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "upstream_unavailable"
        ready = await api.client.get("/readyz")
        assert ready.json()["ocr"]["state"] == "down"
        assert ready.json()["status"] == "degraded"


async def test_a_service_that_is_silent_is_504(
    configure_ocr: ConfigureOcr, ocr_service: ScriptedEngine
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.caller_gone()

    ocr_service.script = script
    async with running_api(configure_ocr(ocr_service.url, first_byte=0.3)) as api:
        response = await upload(api)
        assert response.status_code == 504
        assert response.json()["error"]["code"] == "upstream_timeout"


async def test_only_inference_keys_and_only_what_is_there(
    ocr_api: RunningApi, ocr_service: ScriptedEngine
) -> None:
    assert (await upload(ocr_api, key=ocr_api.admin_key)).status_code == 403
    assert (await ocr_api.get("/v1/ocr/nothing")).json()["error"]["code"] == "unknown_url"
    assert (await ocr_api.get(f"{JOB}/../../secret")).status_code == 404
    assert (await ocr_api.get("/v1/ocr/jobs/..%2f..%2fhealth")).status_code == 404
    response = await ocr_api.get("/v1/ocr")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert ocr_service.requests == []


async def test_limits_hold_until_the_last_byte(
    ocr_api: RunningApi, ocr_service: ScriptedEngine
) -> None:
    streaming, finish = asyncio.Event(), asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.piece(event("running"))
        streaming.set()
        await finish.wait()
        await exchange.end_stream(done=False)

    ocr_service.script = script
    key = await key_with(ocr_api, concurrency=1, requests_per_minute=2)
    first = asyncio.create_task(ocr_api.get(f"{JOB}/events", key=key["key"]))
    await asyncio.wait_for(streaming.wait(), PATIENCE)
    at_once = await ocr_api.get(JOB, key=key["key"])
    assert at_once.status_code == 429
    assert at_once.json()["error"]["param"] == "concurrency"
    finish.set()
    assert (await first).headers["x-ratelimit-remaining-requests"] == "1"
    assert (await ocr_api.get(JOB, key=key["key"])).status_code == 200
    too_many = await ocr_api.get(JOB, key=key["key"])
    assert too_many.json()["error"]["param"] == "requests_per_minute"


async def test_each_request_is_in_the_ledger(ocr_api: RunningApi) -> None:
    key = await key_with(ocr_api)
    await upload(ocr_api, key=key["key"])
    await ocr_api.get(JOB, key=key["key"])
    records: list[dict[str, Any]] = []
    async with asyncio.timeout(PATIENCE):
        while len(records) < 2:
            await asyncio.sleep(0.1)
            answer = await ocr_api.get(
                f"/admin/usage/records?key={key['id']}", key=ocr_api.admin_key
            )
            records = answer.json()["data"]
    assert {record["route"] for record in records} == {"/v1/ocr", "/v1/ocr/jobs/{job_id}"}
    assert {(record["model"], record["upstream"]) for record in records} == {("ocr", "ocr")}
    assert {record["outcome"] for record in records} == {"success"}
