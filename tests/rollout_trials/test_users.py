"""Users: each asks with a key of their own, and what they saw is told apart."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from llm_provider_testing.scripted_engine import Exchange, answer_chat, scripted_engine
from rollout_trials.errors import TookTooLong
from rollout_trials.users import FINE, Users, verdict
from rollout_trials.waiting import until


async def test_everybody_asks_with_their_own_key() -> None:
    async with scripted_engine() as engine:
        keys = [f"key-{number}" for number in range(5)]
        users = Users(engine.url.removesuffix("/v1"), "m", keys, per_second=200, tokens=3)
        async with users.asking(), asyncio.timeout(60):
            while len({each.headers["authorization"] for each in engine.requests}) < 5:
                await asyncio.sleep(0.01)
        sent = engine.requests[0]
        assert sent.json()["max_tokens"] == 3
        ids = [each.headers["x-request-id"] for each in engine.requests]
        assert len(set(ids)) == len(ids)
        assert users.seen.answers > 0
        assert users.seen.faults == {}


async def test_what_went_wrong_is_kept_by_request() -> None:
    async def script(exchange: Exchange) -> None:
        if exchange.request.headers["x-request-id"] == "trial-2":
            await exchange.whole({"error": {}}, status=503)
        else:
            await answer_chat(exchange)

    async with scripted_engine() as engine:
        engine.script = script
        users = Users(engine.url.removesuffix("/v1"), "m", ["k"], per_second=200, tokens=3)
        async with users.asking(), asyncio.timeout(60):
            while users.seen.answers < 3:
                await asyncio.sleep(0.01)
        assert users.seen.faults == {"trial-2": "status 503"}


async def test_users_ask_less_often_while_answers_take_longer() -> None:
    async def slow(exchange: Exchange) -> None:
        await asyncio.sleep(0.1)
        await answer_chat(exchange)

    async with scripted_engine() as engine:
        engine.script = slow
        url = engine.url.removesuffix("/v1")
        users = Users(url, "m", ["k"], per_second=200, tokens=3, seconds=0.02)
        async with users.asking(), asyncio.timeout(60):
            assert users.slowdown == 1
            while users.slowdown == 1:
                await asyncio.sleep(0.01)
        assert users.slowdown >= 2.5


async def test_one_stack_that_is_slow_does_not_hold_the_users_back() -> None:
    numbers = itertools.count()

    async def half_slow(exchange: Exchange) -> None:
        await asyncio.sleep(2.0 * (next(numbers) % 2))
        await answer_chat(exchange)

    async with scripted_engine() as engine:
        engine.script = half_slow
        url = engine.url.removesuffix("/v1")
        users = Users(url, "m", ["k"], per_second=50, tokens=3, seconds=1.5)
        async with users.asking(), asyncio.timeout(60):
            while users.seen.answers < 60:
                await asyncio.sleep(0.01)
        assert users.slowdown == 1


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b'data: {"choices":[]}\n\ndata: [DONE]\n\n', FINE),
        (b'data: {"error": {"message": "x"}}\n\ndata: [DONE]\n\n', "an error inside the stream"),
        (b'data: {"choices":[]}\n\n', "the stream broke off"),
        (b"", "the stream broke off"),
    ],
)
def test_done_after_an_error_is_no_good_answer(body: bytes, word: str) -> None:
    assert verdict(200, body) == word


async def test_waiting_has_an_end() -> None:
    async def never() -> bool:
        return False

    with pytest.raises(TookTooLong, match="it does not come after 0 s"):
        await until(never, 0.2, "it does not come")
