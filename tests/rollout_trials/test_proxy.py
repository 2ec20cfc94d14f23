"""The proxy: honest when it has no orders, and exact in the faults that it puts in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine, scripted_engine
from rollout_trials.faults import ProxyFault, Sabotage
from rollout_trials.proxy import Proxy
from rollout_trials.users import FINE, verdict

CHAT = {"model": "m", "stream": True, "messages": []}


@pytest.fixture
async def engine() -> AsyncIterator[ScriptedEngine]:
    async with scripted_engine() as running:
        yield running


@pytest.fixture
async def proxy(engine: ScriptedEngine) -> AsyncIterator[Proxy]:
    async with Proxy(engine.url.removesuffix("/v1")).running() as running:
        yield running


async def ask(url: str, request_id: str = "r") -> tuple[int, bytes]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{url}/v1/chat/completions", json=CHAT, headers={"x-request-id": request_id}
        ) as answer,
    ):
        return answer.status, await answer.read()


async def test_without_orders_everything_passes_as_it_is(
    engine: ScriptedEngine, proxy: Proxy
) -> None:
    direct = await ask(engine.url.removesuffix("/v1"))
    assert await ask(proxy.url) == direct
    assert verdict(*direct) == FINE
    first, second = engine.requests
    assert (first.path, first.body) == (second.path, second.body)
    assert proxy.spoilt == set()


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ("errors", "status 500"),
        ("in-band errors", "an error inside the stream"),
        ("truncation", "the stream broke off"),
    ],
)
async def test_a_fault_is_what_users_see_and_is_remembered(
    proxy: Proxy, fault: ProxyFault, seen: str
) -> None:
    proxy.sabotage = Sabotage(fault, 1.0)
    assert verdict(*await ask(proxy.url, "bad")) == seen
    proxy.sabotage = None
    assert verdict(*await ask(proxy.url, "good")) == FINE
    assert proxy.spoilt == {"bad"}


async def test_a_share_of_the_requests_is_spoilt(proxy: Proxy) -> None:
    proxy.sabotage = Sabotage("errors", 0.2)
    answers = await asyncio.gather(*(ask(proxy.url, f"r{number}") for number in range(200)))
    failed = sum(status == 500 for status, _ in answers)
    assert 15 < failed < 70
    assert len(proxy.spoilt) == failed


async def test_slow_answers_are_whole(proxy: Proxy) -> None:
    proxy.sabotage = Sabotage("slow first tokens", 1.0, delay=0.3)
    began = time.monotonic()
    assert verdict(*await ask(proxy.url)) == FINE
    assert time.monotonic() - began >= 0.3


async def test_an_engine_that_is_gone_is_seen_to_be_gone(
    engine: ScriptedEngine, proxy: Proxy
) -> None:
    async def hang_up(exchange: Exchange) -> None:
        exchange.reset()

    engine.script = hang_up
    with pytest.raises(aiohttp.ClientError):
        await ask(proxy.url)
