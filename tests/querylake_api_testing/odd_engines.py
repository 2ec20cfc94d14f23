"""Engines that answer in odd ways, and the API before them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from llm_provider_testing.scripted_engine import Exchange, Script
from querylake_api_testing.several_engines import PATH, Replicas, replicas

TIMES = 7
MESSAGES, RESPONSES = "/v1/messages", "/v1/responses"
CAPABILITIES: dict[str, object] = {"capabilities": ["chat", "messages", "responses"]}

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def event(document: object, kind: str | None = None) -> bytes:
    named = b"" if kind is None else f"event: {kind}\n".encode()
    return named + b"data: " + json.dumps(document).encode() + b"\n\n"


def chunk(
    delta: object = None, finish: str | None = None, *, index: int = 0, **more: Any
) -> dict[str, Any]:
    choices = [{"index": index, "delta": delta or {}, "finish_reason": finish}]
    return {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": choices} | more


def streaming(*events: bytes, head: bytes = HEAD) -> Script:
    """Return a script that sends a stream, each event for itself, and ends it properly."""

    async def script(exchange: Exchange) -> None:
        await exchange.raw(head)
        for each in events:
            await exchange.piece(each)
        await exchange.raw(b"0\r\n\r\n")

    return script


def closing(content: bytes) -> Script:
    """Return a script that sends bytes and closes the connection."""

    async def script(exchange: Exchange) -> None:
        await exchange.raw(content)
        exchange.hang_up()

    return script


def anthropic(extra: dict[str, Any]) -> list[bytes]:
    usage = {"input_tokens": 5, "output_tokens": 1}
    message = {"id": "m", "type": "message", "model": "m", "content": [], "usage": usage}
    told: list[tuple[str, dict[str, Any]]] = [
        ("message_start", {"message": message}),
        ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
        ("ping", {}),
        ("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": "hi"}}),
        ("content_block_stop", {"index": 0}),
        ("message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}),
        ("message_stop", {}),
    ]
    return [event({"type": kind, **fields, **extra}, kind) for kind, fields in told]


def responses(extra: dict[str, Any]) -> list[bytes]:
    response = {"id": "r", "object": "response", "model": "m", "error": None}
    usage = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    told: list[tuple[str, dict[str, Any]]] = [
        ("response.created", {"response": {**response, "status": "in_progress"}}),
        ("response.output_text.delta", {"delta": "hi"}),
        ("response.completed", {"response": {**response, "status": "completed", "usage": usage}}),
    ]
    return [event({"type": kind, **fields, **extra}, kind) for kind, fields in told]


ROLE = event(chunk({"role": "assistant", "content": ""}))
TOKEN = event(chunk({"content": "hi"}))
STOP = event(chunk({}, "stop"))
TOLD = event(chunk(usage=USAGE) | {"choices": []})


def half(escape: bytes) -> bytes:
    return TOKEN.replace(b'"hi"', b'"%b"' % escape)


@asynccontextmanager
async def fleet(
    folder: Path, database: str, count: int = 1, **sections: Any
) -> AsyncIterator[Replicas]:
    # Whether usage is hidden from clients is tested elsewhere.
    async with replicas(folder, database, count, model=CAPABILITIES, **sections) as running:
        yield running


async def ask(engines: Replicas, path: str = PATH, *, stream: bool = True) -> httpx.Response:
    body: dict[str, object] = {"model": "m", "messages": [], "input": "", "stream": stream}
    if stream and path == PATH:
        body["stream_options"] = {"include_usage": True}
    return await engines.api.post(path, body)


async def outcomes(engines: Replicas, count: int) -> list[str]:
    return [line["outcome"] for line in await engines.api.requests_logged(count)]
