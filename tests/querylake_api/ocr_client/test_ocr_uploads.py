"""A document on its way through the API: passed on as it comes, bounded, ended with its sender."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random

import httpx

from llm_provider_testing.scripted_engine import ScriptedEngine
from querylake_api_testing.ocr import (
    LIMIT,
    ConfigureOcr,
    connect,
    head,
    raw_service,
    upload,
)
from querylake_api_testing.running import RunningApi, running_api
from waiting_testing.waiting import PATIENCE


async def test_an_upload_arrives_byte_for_byte(
    ocr_api: RunningApi, ocr_service: ScriptedEngine
) -> None:
    content = bytes(range(256)) * 600
    form = httpx.Request("POST", ocr_api.url, files={"file": ("a.pdf", content)})
    body = form.read()
    kind = form.headers["content-type"]
    response = await ocr_api.client.post(
        "/v1/ocr/jobs", content=body, headers={**ocr_api.headers(), "content-type": kind}
    )
    assert response.status_code == 202
    (request,) = ocr_service.requests
    assert request.body == body
    assert request.headers["content-type"] == kind
    assert request.headers["content-length"] == str(len(body))
    assert "transfer-encoding" not in request.headers


async def test_a_document_as_the_whole_body_arrives_with_its_parameters(
    ocr_api: RunningApi, ocr_service: ScriptedEngine
) -> None:
    response = await ocr_api.client.post(
        "/v1/ocr/jobs?pages=1-3&file_name=a%20b.pdf",
        content=b"%PDF-1.7",
        headers={
            **ocr_api.headers(),
            "content-type": "application/pdf",
            "x-ocr-password": "pass",
            "x-other": "no",
        },
    )
    assert response.status_code == 202
    (request,) = ocr_service.requests
    assert request.body == b"%PDF-1.7"
    assert request.headers["content-type"] == "application/pdf"
    assert request.headers["x-ocr-password"] == "pass"
    assert "x-other" not in request.headers
    assert "pages=1-3" in request.path
    assert "file_name=a" in request.path


async def test_an_upload_is_passed_on_while_it_comes(configure_ocr: ConfigureOcr) -> None:
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

    async with raw_service(handler) as url, running_api(configure_ocr(url)) as api:
        response = await api.client.post("/v1/ocr", content=body(), headers=api.headers())
        assert response.json() == {}


async def test_a_client_that_leaves_in_its_upload_ends_it(configure_ocr: ConfigureOcr) -> None:
    begun, gone = asyncio.Event(), asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"half")
        begun.set()
        while await reader.read(1024):
            pass
        gone.set()

    async with raw_service(handler) as url, running_api(configure_ocr(url)) as api:
        reader, writer = await connect(api)
        writer.write(head(api, "POST", "/v1/ocr", length=1000) + b"half")
        await asyncio.wait_for(begun.wait(), PATIENCE)
        writer.transport.abort()
        await asyncio.wait_for(gone.wait(), PATIENCE)
        (line,) = await api.requests_logged()
        assert line["outcome"] == "client_abort"


async def test_too_large_by_its_own_word_reaches_nobody(
    ocr_api: RunningApi, ocr_service: ScriptedEngine
) -> None:
    response = await upload(ocr_api, b"x" * LIMIT)
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "request_too_large"
    assert ocr_service.requests == []
    (line,) = await ocr_api.requests_logged()
    assert line["attempts"] == 0


async def test_too_large_without_a_word_is_cut_off(configure_ocr: ConfigureOcr) -> None:
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

    async with raw_service(handler) as url, running_api(configure_ocr(url)) as api:
        response = await api.client.post("/v1/ocr", content=body(), headers=api.headers())
        assert response.status_code == 413
        assert response.json()["error"]["code"] == "request_too_large"
        await asyncio.wait_for(gone.wait(), PATIENCE)
        assert received < LIMIT + 10_000


class StuckService:
    """Takes the head of a request, and of its body nothing until it is told to."""

    def __init__(self) -> None:
        self.asked, self.go_on, self.gone = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.body = bytearray()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        self.asked.set()
        await self.go_on.wait()
        while len(self.body) < length and (piece := await reader.read(65536)):
            self.body += piece
        writer.write(b"HTTP/1.1 200 X\r\ncontent-length: 2\r\n\r\n{}")
        self.gone.set()


MORE_THAN_BUFFERS = 40_000_000
"""Bytes that the sockets on the way do not hold."""


async def test_a_client_that_leaves_while_the_service_takes_nothing_ends_its_upload(
    configure_ocr: ConfigureOcr,
) -> None:
    service = StuckService()
    async with raw_service(service) as url:
        config = configure_ocr(url, max_body_bytes=2 * MORE_THAN_BUFFERS, idle=10 * PATIENCE)
        async with running_api(config) as api:
            _, writer = await connect(api)
            writer.write(head(api, "POST", "/v1/ocr", length=2 * MORE_THAN_BUFFERS))
            writer.write(bytes(MORE_THAN_BUFFERS))
            await asyncio.wait_for(service.asked.wait(), PATIENCE)
            writer.close()
            (line,) = await api.requests_logged()
            assert line["outcome"] == "client_abort"
            service.go_on.set()
            await asyncio.wait_for(service.gone.wait(), PATIENCE)


async def test_what_the_service_is_slow_to_take_arrives_in_its_order(
    configure_ocr: ConfigureOcr,
) -> None:
    service = StuckService()
    content = Random(1).randbytes(MORE_THAN_BUFFERS)
    async with raw_service(service) as url:
        config = configure_ocr(url, max_body_bytes=MORE_THAN_BUFFERS)
        async with running_api(config) as api:
            reader, writer = await connect(api)
            writer.write(head(api, "POST", "/v1/ocr", length=len(content)) + content)
            writer.transport.set_write_buffer_limits(0)
            await asyncio.wait_for(writer.drain(), PATIENCE)  # while the service takes nothing
            service.go_on.set()
            answer = await asyncio.wait_for(reader.readuntil(b"{}"), PATIENCE)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert service.body == content


async def test_a_client_that_sends_no_more_is_told_so(
    configure_ocr: ConfigureOcr, ocr_service: ScriptedEngine
) -> None:
    async with running_api(configure_ocr(ocr_service.url, body_seconds=0.3)) as api:
        reader, writer = await connect(api)
        writer.write(head(api, "POST", "/v1/ocr", length=1000) + b"half")
        answer = await asyncio.wait_for(reader.readuntil(b"}"), PATIENCE)
        assert answer.startswith(b"HTTP/1.1 408 ")
