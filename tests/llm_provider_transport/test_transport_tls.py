"""Engines behind TLS: whose certificate is trusted, and what is said of those whose is not."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from llm_provider.config import Timeouts, UpstreamConfig
from llm_provider.errors import UpstreamUnavailable
from llm_provider.transport import HTTPTransport
from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine, scripted_engine
from waiting_testing.waiting import PATIENCE


@pytest.fixture
def authority() -> trustme.CA:
    """Give an authority that nobody knows."""
    return trustme.CA()


@pytest.fixture
def _trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the authority trusted as an operator would."""
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))


@asynccontextmanager
async def engine_of(authority: trustme.CA, name: str) -> AsyncIterator[ScriptedEngine]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    async with asyncio.timeout(PATIENCE), scripted_engine(context) as engine:
        engine.script = _two_pieces
        yield engine


async def _two_pieces(exchange: Exchange) -> None:
    await exchange.begin_stream()
    await exchange.piece(b"one ")
    await exchange.piece(exchange.request.body)
    await exchange.end_stream(done=False)


async def ask(url: str) -> bytes:
    transport = HTTPTransport(UpstreamConfig("gpu", url, None, Timeouts(10, 10, 10)))
    try:
        async with await transport.send("POST", f"{url}/x", body=b"two") as relay:
            return await relay.read()
    finally:
        await transport.close()


@pytest.mark.usefixtures("_trusted")
async def test_an_engine_with_a_certificate_of_an_authority_of_the_operators(
    authority: trustme.CA,
) -> None:
    async with engine_of(authority, "127.0.0.1") as engine:
        assert await ask(engine.url) == b"one two"


async def test_an_authority_that_nobody_trusts_is_named_as_the_reason(
    authority: trustme.CA,
) -> None:
    async with engine_of(authority, "127.0.0.1") as engine:
        with pytest.raises(UpstreamUnavailable, match="'gpu': TLS failed: .*verify failed"):
            await ask(engine.url)
        assert not engine.requests


@pytest.mark.usefixtures("_trusted")
async def test_a_certificate_of_another_host_is_refused(authority: trustme.CA) -> None:
    async with engine_of(authority, "elsewhere.example") as engine:
        with pytest.raises(UpstreamUnavailable, match="TLS failed: .*verify failed"):
            await ask(engine.url)
        assert not engine.requests


async def test_an_engine_without_tls_behind_an_https_address() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with asyncio.timeout(PATIENCE), server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(UpstreamUnavailable, match="'gpu': TLS failed"):
            await ask(f"https://127.0.0.1:{port}/v1")
