"""Events and documents on their way to the client: one by one, and no half passed off as whole."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine
from querylake_api_testing.ocr import (
    JOB,
    connect,
    event,
    head,
)
from querylake_api_testing.running import RunningApi
from waiting_testing.waiting import PATIENCE


async def test_events_are_passed_on_one_by_one(
    ocr_api: RunningApi, ocr_service: ScriptedEngine
) -> None:
    seen = asyncio.Queue[None]()

    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for status in ("queued", "running", "complete"):
            await exchange.piece(event(status))
            # The next one comes only when the client has had this one.
            await asyncio.wait_for(seen.get(), PATIENCE)
        await exchange.end_stream(done=False)

    ocr_service.script = script
    received = b""
    async with ocr_api.client.stream("GET", f"{JOB}/events", headers=ocr_api.headers()) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-accel-buffering"] == "no"
        async for piece in response.aiter_raw():
            received += piece
            if piece.endswith(b"\n\n"):
                seen.put_nowait(None)
    assert received == event("queued") + event("running") + event("complete")


async def test_events_that_break_off_end_with_an_error(
    ocr_api: RunningApi, ocr_service: ScriptedEngine
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.piece(event("running") + b'data: {"ha')
        exchange.hang_up()

    ocr_service.script = script
    response = await ocr_api.get(f"{JOB}/events")
    *_, half, last, end = response.text.split("\n\n")
    assert (half, end) == ('data: {"ha', "")
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "upstream_interrupted"
    (line,) = await ocr_api.requests_logged()
    assert line["outcome"] == "upstream_error"


async def test_a_document_that_breaks_off_is_not_passed_off_as_one(
    ocr_api: RunningApi, ocr_service: ScriptedEngine
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf")
        exchange.hang_up()

    ocr_service.script = script
    with pytest.raises(httpx.RemoteProtocolError):
        await ocr_api.get(f"{JOB}/result")
    (line,) = await ocr_api.requests_logged()
    assert line["outcome"] == "upstream_error"


@pytest.mark.parametrize("phase", ["before the head", "between events", "in a document"])
async def test_a_client_that_leaves_takes_its_request_along(
    ocr_api: RunningApi, ocr_service: ScriptedEngine, phase: str
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

    ocr_service.script = script
    _, writer = await connect(ocr_api)
    writer.write(head(ocr_api, "POST", "/v1/ocr", length=4) + b"body")
    await asyncio.wait_for(there.wait(), PATIENCE)
    writer.transport.abort()
    await asyncio.wait_for(gone.wait(), PATIENCE / 2)  # sooner than any deadline
    (line,) = await ocr_api.requests_logged()
    assert line["outcome"] == "client_abort"
