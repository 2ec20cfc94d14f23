"""`/v1/ocr` in front of an OCR service that does what a test tells it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine, scripted_engine
from querylake_api.configuration.loading import load_configuration
from querylake_api.doctor.ocr import examine_ocr
from querylake_api_testing.commands import Run
from querylake_api_testing.running import RunningApi, running_api, write_config

PATIENCE = 20.0
SERVICE_KEY = "ocr-service-secret"
JOB = "/v1/ocr/jobs/ocrjob_1"
LIMIT = 200_000
VIEW = {"id": "ocrjob_1", "object": "ocr.job", "status": "queued"}


@pytest.fixture
async def service() -> AsyncIterator[ScriptedEngine]:
    """Give a service that answers with a job."""

    async def answer(exchange: Exchange) -> None:
        await exchange.whole(VIEW, status=202 if exchange.request.method == "POST" else 200)

    async with scripted_engine() as running:
        running.script = answer
        yield running


@pytest.fixture
def configure(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Give a function that writes a configuration for a service at some URL."""
    monkeypatch.setenv("TEST_OCR_KEY", SERVICE_KEY)

    def write(url: str, **timeouts: float) -> Path:
        ocr = {
            "base_url": url,
            "api_key_env": "TEST_OCR_KEY",
            "max_body_bytes": LIMIT,
            "timeouts": {"first_byte": PATIENCE, "idle": PATIENCE, **timeouts},
        }
        return write_config(tmp_path, database=database_url, ocr=ocr)

    return write


@pytest.fixture
async def api(configure: Callable[..., Path], service: ScriptedEngine) -> AsyncIterator[RunningApi]:
    """Give the API in front of the service."""
    async with running_api(configure(service.url)) as running:
        yield running


async def upload(
    api: RunningApi, content: bytes = b"%PDF-", *, key: str | None = None, path: str = "/v1/ocr"
) -> httpx.Response:
    files = {"file": ("a.pdf", content)}
    return await api.client.post(path, files=files, headers=api.headers(key))


async def key_with(api: RunningApi, **limits: object) -> dict[str, Any]:
    response = await api.post("/admin/keys", {"name": "n", **limits}, key=api.admin_key)
    assert response.status_code == 201
    document: dict[str, Any] = response.json()
    return document


async def requests_logged(api: RunningApi, count: int = 1) -> list[dict[str, Any]]:
    """Return the access lines so far, once there are enough of them."""
    async with asyncio.timeout(PATIENCE):
        while api.log.getvalue().count(b'"event":"request"') < count:
            await asyncio.sleep(0.01)
    return [line for line in api.log_lines() if line["event"] == "request"]


async def test_the_service_learns_whose_it_is_and_nothing_of_the_clients_key(
    api: RunningApi, service: ScriptedEngine
) -> None:
    key = await key_with(api)
    response = await api.client.get(
        f"/v1/ocr/jobs?limit=7&api_key={key['key']}",
        headers={
            "authorization": f"Bearer {key['key']}",
            "x-api-key": key["key"],
            "cookie": key["key"],
            "x-querylake-owner": "somebody-else",
            "x-request-id": "mine-1",
        },
    )
    assert response.status_code == 200
    assert response.json() == VIEW
    assert response.headers["x-request-id"] == "mine-1"
    (request,) = service.requests
    assert request.path == "/v1/ocr/jobs?limit=7"
    assert request.headers["authorization"] == f"Bearer {SERVICE_KEY}"
    assert request.headers["x-querylake-owner"] == key["id"]
    assert request.headers["x-request-id"] == "mine-1"
    assert key["key"] not in str(request)


async def test_an_upload_arrives_byte_for_byte(api: RunningApi, service: ScriptedEngine) -> None:
    content = bytes(range(256)) * 600
    form = httpx.Request("POST", api.url, files={"file": ("a.pdf", content)})
    body = form.read()
    kind = form.headers["content-type"]
    response = await api.client.post(
        "/v1/ocr/jobs", content=body, headers={**api.headers(), "content-type": kind}
    )
    assert response.status_code == 202
    (request,) = service.requests
    assert request.body == body
    assert request.headers["content-type"] == kind
    assert request.headers["content-length"] == str(len(body))
    assert "transfer-encoding" not in request.headers


@pytest.mark.parametrize("path", ["result", "markdown"])
async def test_a_document_comes_back_as_it_is(
    api: RunningApi, service: ScriptedEngine, path: str
) -> None:
    document = b"# A lake\n\xe6\xb0\xb4" * 50_000

    async def answer(exchange: Exchange) -> None:
        await exchange.whole(document, content_type="text/markdown; charset=utf-8")

    service.script = answer
    response = await api.get(f"{JOB}/{path}")
    assert response.content == document
    assert response.headers["content-type"] == "text/markdown; charset=utf-8"
    assert response.headers["content-length"] == str(len(document))
    assert service.requests[0].path == f"{JOB}/{path}"


async def test_delete_reaches_the_service(api: RunningApi, service: ScriptedEngine) -> None:
    response = await api.client.delete(JOB, headers=api.headers())
    assert response.status_code == 200
    assert (service.requests[0].method, service.requests[0].path) == ("DELETE", JOB)


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_service(handler: Handler) -> AsyncIterator[str]:
    """Serve connections by hand, for what happens before a request is complete."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()


async def test_an_upload_is_passed_on_while_it_comes(configure: Callable[..., Path]) -> None:
    first_came = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"first piece")
        first_came.set()
        await reader.readuntil(b"last piece\r\n0\r\n\r\n")
        writer.write(b"HTTP/1.1 200 X\r\ncontent-length: 2\r\n\r\n{}")
        await writer.drain()

    async def body() -> AsyncIterator[bytes]:
        yield b"first piece"
        # Were it held until it is complete, this would wait for ever.
        await asyncio.wait_for(first_came.wait(), PATIENCE)
        yield b"last piece"

    async with raw_service(handler) as url, running_api(configure(url)) as api:
        response = await api.client.post("/v1/ocr", content=body(), headers=api.headers())
        assert response.json() == {}


async def test_a_client_that_leaves_in_its_upload_ends_it(configure: Callable[..., Path]) -> None:
    begun, gone = asyncio.Event(), asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"half")
        begun.set()
        while await reader.read(1024):
            pass
        gone.set()

    async with raw_service(handler) as url, running_api(configure(url)) as api:
        reader, writer = await connect(api)
        writer.write(_head(api, "POST", "/v1/ocr", length=1000) + b"half")
        await asyncio.wait_for(begun.wait(), PATIENCE)
        writer.transport.abort()
        await asyncio.wait_for(gone.wait(), PATIENCE)
        (line,) = await requests_logged(api)
        assert line["outcome"] == "client_abort"


async def test_too_large_by_its_own_word_reaches_nobody(
    api: RunningApi, service: ScriptedEngine
) -> None:
    response = await upload(api, b"x" * LIMIT)
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "request_too_large"
    assert service.requests == []
    (line,) = await requests_logged(api)
    assert line["attempts"] == 0


async def test_too_large_without_a_word_is_cut_off(configure: Callable[..., Path]) -> None:
    received = 0
    gone = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        while piece := await reader.read(65536):
            received += len(piece)
        gone.set()

    async def body() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b"x" * 10_000

    async with raw_service(handler) as url, running_api(configure(url)) as api:
        response = await api.client.post("/v1/ocr", content=body(), headers=api.headers())
        assert response.status_code == 413
        assert response.json()["error"]["code"] == "request_too_large"
        await asyncio.wait_for(gone.wait(), PATIENCE)
        assert received < LIMIT + 10_000


async def connect(api: RunningApi) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = api.url.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


def _head(api: RunningApi, method: str, path: str, *, length: int = 0) -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {api.key}\r\n"
        f"content-length: {length}\r\n\r\n"
    ).encode()


def event(status: str) -> bytes:
    return b"data: " + json.dumps({**VIEW, "status": status}).encode() + b"\n\n"


async def test_events_are_passed_on_one_by_one(api: RunningApi, service: ScriptedEngine) -> None:
    seen = asyncio.Queue[None]()

    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for status in ("queued", "running", "complete"):
            await exchange.piece(event(status))
            # The next one comes only when the client has had this one.
            await asyncio.wait_for(seen.get(), PATIENCE)
        await exchange.end_stream(done=False)

    service.script = script
    received = b""
    async with api.client.stream("GET", f"{JOB}/events", headers=api.headers()) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-accel-buffering"] == "no"
        async for piece in response.aiter_raw():
            received += piece
            if piece.endswith(b"\n\n"):
                seen.put_nowait(None)
    assert received == event("queued") + event("running") + event("complete")


async def test_events_that_break_off_end_with_an_error(
    api: RunningApi, service: ScriptedEngine
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.piece(event("running") + b'data: {"ha')
        exchange.hang_up()

    service.script = script
    response = await api.get(f"{JOB}/events")
    *_, half, last, end = response.text.split("\n\n")
    assert (half, end) == ('data: {"ha', "")
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "upstream_interrupted"
    (line,) = await requests_logged(api)
    assert line["outcome"] == "upstream_error"


async def test_a_document_that_breaks_off_is_not_passed_off_as_one(
    api: RunningApi, service: ScriptedEngine
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf")
        exchange.hang_up()

    service.script = script
    with pytest.raises(httpx.RemoteProtocolError):
        await api.get(f"{JOB}/result")
    (line,) = await requests_logged(api)
    assert line["outcome"] == "upstream_error"


@pytest.mark.parametrize("phase", ["before the head", "between events", "in a document"])
async def test_a_client_that_leaves_takes_its_request_along(
    api: RunningApi, service: ScriptedEngine, phase: str
) -> None:
    there, gone = asyncio.Event(), asyncio.Event()

    async def script(exchange: Exchange) -> None:
        if phase == "between events":
            await exchange.begin_stream()
            await exchange.piece(event("running"))
        elif phase == "in a document":
            await exchange.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")
        there.set()
        await exchange.caller_gone()
        gone.set()

    service.script = script
    _, writer = await connect(api)
    writer.write(_head(api, "POST", "/v1/ocr", length=4) + b"body")
    await asyncio.wait_for(there.wait(), PATIENCE)
    writer.transport.abort()
    await asyncio.wait_for(gone.wait(), PATIENCE / 2)  # sooner than any deadline
    (line,) = await requests_logged(api)
    assert line["outcome"] == "client_abort"


@pytest.mark.parametrize("status", [400, 404, 409, 410, 413, 415, 422])
async def test_refusals_pass(api: RunningApi, service: ScriptedEngine, status: int) -> None:
    error = {
        "message": "The document cannot be converted.",
        "type": "invalid_request_error",
        "param": "file",
        "code": "encrypted",
    }

    async def script(exchange: Exchange) -> None:
        await exchange.whole({"error": error}, status=status)

    service.script = script
    response = await upload(api)
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
    api: RunningApi, service: ScriptedEngine, theirs: int, ours: int, code: str
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.whole(b"Traceback: /srv/secret", status=theirs)

    service.script = script
    response = await upload(api)
    assert response.status_code == ours
    assert response.json()["error"]["code"] == code
    assert "secret" not in response.text


async def test_a_service_that_is_away_is_503_and_said_so_in_readyz(
    configure: Callable[..., Path],
) -> None:
    async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        return

    async with raw_service(nothing) as url:
        pass  # from here on nobody listens there
    async with running_api(configure(url)) as api:
        response = await upload(api)
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "upstream_unavailable"
        ready = await api.client.get("/readyz")
        assert ready.json()["ocr"]["state"] == "down"
        assert ready.json()["status"] == "degraded"


async def test_a_service_that_is_silent_is_504(
    configure: Callable[..., Path], service: ScriptedEngine
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.caller_gone()

    service.script = script
    async with running_api(configure(service.url, first_byte=0.3)) as api:
        response = await upload(api)
        assert response.status_code == 504
        assert response.json()["error"]["code"] == "upstream_timeout"


async def test_without_the_section(tmp_path: Path, database_url: str) -> None:
    async with running_api(write_config(tmp_path, database=database_url)) as api:
        response = await upload(api)
        assert response.status_code == 404
        error = response.json()["error"]
        assert error["code"] == "ocr_not_configured"
        assert "[ocr]" in error["message"]
        assert (await api.client.post("/v1/ocr")).status_code == 401
        assert "ocr" not in (await api.client.get("/readyz")).json()


async def test_only_inference_keys_and_only_what_is_there(
    api: RunningApi, service: ScriptedEngine
) -> None:
    assert (await upload(api, key=api.admin_key)).status_code == 403
    assert (await api.get("/v1/ocr/nothing")).json()["error"]["code"] == "unknown_url"
    assert (await api.get(f"{JOB}/../../secret")).status_code == 404
    assert (await api.get("/v1/ocr/jobs/..%2f..%2fhealth")).status_code == 404
    response = await api.get("/v1/ocr")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert service.requests == []


async def test_limits_hold_until_the_last_byte(api: RunningApi, service: ScriptedEngine) -> None:
    streaming, finish = asyncio.Event(), asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.piece(event("running"))
        streaming.set()
        await finish.wait()
        await exchange.end_stream(done=False)

    service.script = script
    key = await key_with(api, concurrency=1, requests_per_minute=2)
    first = asyncio.create_task(api.get(f"{JOB}/events", key=key["key"]))
    await asyncio.wait_for(streaming.wait(), PATIENCE)
    at_once = await api.get(JOB, key=key["key"])
    assert at_once.status_code == 429
    assert at_once.json()["error"]["param"] == "concurrency"
    finish.set()
    assert (await first).headers["x-ratelimit-remaining-requests"] == "1"
    assert (await api.get(JOB, key=key["key"])).status_code == 200
    too_many = await api.get(JOB, key=key["key"])
    assert too_many.json()["error"]["param"] == "requests_per_minute"


async def test_each_request_is_in_the_ledger(api: RunningApi) -> None:
    key = await key_with(api)
    await upload(api, key=key["key"])
    await api.get(JOB, key=key["key"])
    records: list[dict[str, Any]] = []
    async with asyncio.timeout(PATIENCE):
        while len(records) < 2:
            await asyncio.sleep(0.1)
            answer = await api.get(f"/admin/usage/records?key={key['id']}", key=api.admin_key)
            records = answer.json()["data"]
    assert {record["route"] for record in records} == {"/v1/ocr", "/v1/ocr/jobs/{job_id}"}
    assert {(record["model"], record["upstream"]) for record in records} == {("ocr", "ocr")}
    assert {record["outcome"] for record in records} == {"success"}


async def test_doctor_tells_a_wrong_key(
    configure: Callable[..., Path], service: ScriptedEngine
) -> None:
    config = load_configuration(configure(service.url)).ocr
    assert config is not None
    assert (await examine_ocr(config)).verdict == "good"

    async def refuse(exchange: Exchange) -> None:
        await exchange.whole({}, status=401)

    service.script = refuse
    finding = await examine_ocr(config)
    assert finding.verdict == "fault"
    assert "ocr.api_key_env" in finding.remedy


async def test_a_reload_brings_the_service(
    tmp_path: Path, database_url: str, configure: Callable[..., Path], service: ScriptedEngine
) -> None:
    async with running_api(write_config(tmp_path, database=database_url)) as api:
        assert (await api.get(JOB)).status_code == 404
        configure(service.url)
        await api.client.post("/admin/config/reload", headers=api.headers(api.admin_key))
        assert (await api.get(JOB)).json() == VIEW


def test_a_conversion_has_its_time_whatever_else_is_set(tmp_path: Path) -> None:
    ocr = {"base_url": "http://ocr:8200/v1", "timeouts": {"connect": 1.0}}
    config = load_configuration(write_config(tmp_path, database="embedded:pg", ocr=ocr)).ocr
    assert config is not None
    assert (config.timeouts.connect, config.timeouts.first_byte) == (1.0, 600.0)


def test_a_key_that_is_missing_is_a_fault_of_the_configuration(
    configure: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    path = configure("http://127.0.0.1:1/v1")
    monkeypatch.delenv("TEST_OCR_KEY")
    code, _, err = run("check-config", "--config", str(path))
    assert code == 78
    assert "ocr.api_key_env: the environment variable TEST_OCR_KEY is not set" in err


async def test_it_is_documented(api: RunningApi) -> None:
    document = (await api.client.get("/openapi.json")).json()
    assert set(document["paths"]["/v1/ocr/jobs"]) == {"get", "post"}
    assert "multipart/form-data" in document["paths"]["/v1/ocr"]["post"]["requestBody"]["content"]
