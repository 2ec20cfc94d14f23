"""What a stranger, or a client that is odd, can have this server do."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from pathlib import Path

import pytest

from querylake_api_testing.running import RunningApi, running_api

CHAT = {"model": "default", "messages": [{"role": "user", "content": "hi"}]}
BODY = json.dumps(CHAT).encode()
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def raw(api: RunningApi, content: bytes) -> bytes:
    """Send bytes and return all that comes until the server closes or nothing more comes."""
    host, port = api.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(content)
    got = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
    writer.close()
    return got


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
@pytest.mark.parametrize("key", ["", "Authorization: Bearer sk-wrong\r\n"])
async def test_a_stranger_is_refused_before_the_body_comes(
    api: RunningApi, method: str, key: str
) -> None:
    head = f"{method} /admin/keys{'' if method == 'POST' else '/x'} HTTP/1.1\r\nHost: a\r\n{key}"
    for body in (
        "Content-Length: 600000000\r\n\r\n[1",
        "Transfer-Encoding: chunked\r\n\r\n2\r\n[1",
    ):
        assert (await raw(api, (head + body).encode())).startswith(b"HTTP/1.1 401 ")


async def test_bad_json_of_a_stranger_is_not_read(api: RunningApi) -> None:
    response = await api.client.post("/admin/keys", content=b"{")
    assert response.status_code == 401


async def test_administrators_bodies_are_bounded(api: RunningApi) -> None:
    headers = api.headers(api.admin_key)
    large = b'{"name": "' + b"x" * 300_000 + b'"}'
    response = await api.client.post("/admin/keys", content=large, headers=headers)
    assert response.status_code == 413
    body = b'{"name": "n"}'
    zipped = {**headers, "content-encoding": "gzip", "content-type": "application/json"}
    response = await api.client.post("/admin/keys", content=gzip.compress(body), headers=zipped)
    assert response.status_code == 201


@pytest.mark.parametrize("patience", [0.3])
async def test_an_administrators_body_must_come_in_time(api: RunningApi) -> None:
    head = f"POST /admin/keys HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {api.admin_key}\r\n"
    got = await raw(api, f"{head}Content-Length: 10\r\n\r\n{{".encode())
    assert got.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/v1/models", "/admin/keys"])
async def test_head_is_served_wherever_get_is(api: RunningApi, path: str) -> None:
    headers = api.headers(api.admin_key if path.startswith("/admin") else None)
    got = await api.client.get(path, headers=headers)
    head = await api.client.head(path, headers=headers)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["content-type"] == got.headers["content-type"]


async def test_methods_of_a_path_are_all_named(api: RunningApi) -> None:
    response = await api.client.put("/admin/keys")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD, POST")


@pytest.mark.parametrize(
    ("coding", "body"), [("gzip", gzip.compress(BODY)), ("deflate", zlib.compress(BODY))]
)
async def test_a_compressed_request_is_decoded(api: RunningApi, coding: str, body: bytes) -> None:
    headers = {**api.headers(), "content-encoding": coding}
    response = await api.client.post("/v1/chat/completions", content=body, headers=headers)
    assert response.status_code == 200


async def test_a_coding_that_is_not_known_is_named(api: RunningApi) -> None:
    headers = {**api.headers(), "content-encoding": "zstd"}
    response = await api.client.post("/v1/chat/completions", content=b"x", headers=headers)
    assert response.status_code == 415
    assert "identity" in response.headers["accept-encoding"]
    assert "zstd" in response.json()["error"]["message"]


async def test_a_bomb_is_refused(api: RunningApi) -> None:
    headers = {**api.headers(), "content-encoding": "gzip"}
    bomb = gzip.compress(bytes(5_000_000))
    response = await api.client.post("/v1/chat/completions", content=bomb, headers=headers)
    assert response.status_code == 413


@pytest.mark.parametrize("state", [b"v=\xf6", "v=ö".encode(), b"v=a\tb"])
async def test_a_trace_state_that_cannot_be_passed_on_is_dropped(
    config_file: Path, state: bytes
) -> None:
    text = config_file.read_text()
    config_file.write_text(f'{text}\n[tracing]\nendpoint = "http://127.0.0.1:9"\n')
    async with running_api(config_file) as api:
        named = {**api.headers(), "traceparent": TRACEPARENT}
        headers = [(name.encode(), value.encode()) for name, value in named.items()]
        headers.append((b"tracestate", state))
        for _ in range(3):
            response = await api.client.post("/v1/chat/completions", json=CHAT, headers=headers)
            assert response.status_code == 200
