"""Calls of a scripted engine over our own transport."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from llm_provider.config import Timeouts, UpstreamConfig
from llm_provider.transport import HTTPTransport
from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine, scripted_engine
from waiting_testing.waiting import PATIENCE

Run = Callable[[Coroutine[Any, Any, None]], None]


Scenario = Callable[[ScriptedEngine, HTTPTransport], Awaitable[None]]


async def with_engine(
    scenario: Scenario, *, timeouts: Timeouts | None = None, max_connections: int = 0
) -> None:
    """Run a scenario with an engine and a transport to it."""
    async with scripted_engine() as engine:
        config = UpstreamConfig(
            "e", engine.url, None, timeouts or Timeouts(60, 60, 60), max_connections
        )
        transport = HTTPTransport(config)
        try:
            async with asyncio.timeout(PATIENCE):
                await scenario(engine, transport)
        finally:
            await transport.close()


async def ask(engine: ScriptedEngine, transport: HTTPTransport, body: bytes = b"{}") -> bytes:
    """Send a request and return the whole answer."""
    async with await transport.send("POST", engine.url + "/x", body=body) as relay:
        return await relay.read()


async def whole(exchange: Exchange) -> None:
    """Answer with the request's body."""
    await exchange.whole(exchange.request.body)


async def until_full(sent: Callable[[], int]) -> int:
    """Wait until a sender gets no further, since everything on the way is full."""
    before = -1
    while sent() != before:
        before = sent()
        await asyncio.sleep(0.2)
    return before
