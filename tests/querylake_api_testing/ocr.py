"""An OCR service that does what a test tells it, and requests to the API in front of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx

from querylake_api_testing.running import RunningApi
from waiting_testing.waiting import PATIENCE

SERVICE_KEY = "ocr-service-secret"
JOB = "/v1/ocr/jobs/ocrjob_1"
LIMIT = 200_000
"""Bytes of an upload, unless a test has it otherwise."""
VIEW = {"id": "ocrjob_1", "object": "ocr.job", "status": "queued"}


class ConfigureOcr(Protocol):
    """Writes a configuration for an OCR service, with limits of its own, and returns its path."""

    def __call__(
        self,
        url: str,
        *,
        max_body_bytes: int = LIMIT,
        body_seconds: float = PATIENCE,
        **timeouts: float,
    ) -> Path: ...


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


async def connect(api: RunningApi) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = api.url.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


def head(api: RunningApi, method: str, path: str, *, length: int = 0) -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {api.key}\r\n"
        f"content-length: {length}\r\n\r\n"
    ).encode()


def event(status: str) -> bytes:
    return b"data: " + json.dumps({**VIEW, "status": status}).encode() + b"\n\n"
