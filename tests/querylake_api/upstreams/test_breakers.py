"""Engines that fail are spared for a while: what opens a breaker, what closes it, what does not."""

from __future__ import annotations

import asyncio
from pathlib import Path

from llm_provider_testing.scripted_engine import Exchange, answer_chat, answering
from querylake_api_testing.several_engines import replicas
from waiting_testing.waiting import PATIENCE, eventually


async def test_an_engine_that_fails_is_spared_and_comes_back(
    tmp_path: Path, database_url: str
) -> None:
    breaker: dict[str, object] = {"failures": 3, "open_seconds": 0.3, "max_open_seconds": 0.3}
    async with replicas(tmp_path, database_url, breaker=breaker) as running:
        failing, _ = running.engines
        failing.script = answering(b"", status=500)
        for _ in range(12):
            assert (await running.ask()).status_code == 200
        state = await running.upstream("e0")
        assert len(failing.requests) >= 3
        assert state["breaker"] in ("open", "half_open")
        assert state["last_error"] == "upstream 'e0' answered with status 500"
        assert (state["condition"], state["in_rotation"]) == ("up", True)
        failing.script = answer_chat
        async with asyncio.timeout(PATIENCE):
            while (await running.upstream("e0"))["breaker"] != "closed":
                assert (await running.ask()).status_code == 200
                await asyncio.sleep(0.05)
        assert (await running.upstream("e1"))["breaker"] == "closed"


async def test_an_open_breaker_without_an_alternative(tmp_path: Path, database_url: str) -> None:
    breaker: dict[str, object] = {"failures": 2, "open_seconds": 600.0, "max_open_seconds": 600.0}
    async with replicas(tmp_path, database_url, 1, breaker=breaker) as running:
        running.engines[0].script = answering(b"", status=500)
        assert [(await running.ask()).status_code for _ in range(2)] == [502, 502]
        response = await running.ask()
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "upstream_recovering"
        assert 500 <= int(response.headers["retry-after"]) <= 600
        assert running.asked() == [2]
        ready = await running.api.client.get("/readyz")
        assert (ready.status_code, ready.json()["upstreams"]["e0"]["breaker"]) == (503, "open")


async def test_a_stream_that_begins_closes_the_breaker(tmp_path: Path, database_url: str) -> None:
    breaker: dict[str, object] = {"failures": 1, "open_seconds": 0.2}
    async with replicas(tmp_path, database_url, 1, breaker=breaker) as running:
        engine = running.engines[0]
        engine.script = answering(b"", status=500)
        await running.ask()
        finish = asyncio.Event()

        async def script(exchange: Exchange) -> None:
            await exchange.begin_stream()
            await exchange.token("one", finish_reason="stop")
            await finish.wait()
            await exchange.end_stream()

        engine.script = script
        await eventually(lambda: running.upstream("e0"), lambda state: state["breaker"] != "open")
        async with running.streaming() as pieces:
            assert b"one" in await anext(pieces)
            state = await running.upstream("e0")
            assert (state["breaker"], state["outstanding"]) == ("closed", 1)
            finish.set()


async def test_callers_faults_never_open_a_breaker(tmp_path: Path, database_url: str) -> None:
    async with replicas(tmp_path, database_url, 1, breaker={"failures": 2}) as running:
        for status in (400, 401, 404, 422, 429):
            running.engines[0].script = answering({"error": {"message": "no"}}, status=status)
            for _ in range(3):
                await running.ask()
        assert (await running.upstream("e0"))["breaker"] == "closed"


async def test_clients_that_leave_never_open_a_breaker(tmp_path: Path, database_url: str) -> None:
    async with replicas(tmp_path, database_url, 1, breaker={"failures": 2}) as running:
        engine = running.engines[0]
        gone = asyncio.Semaphore(0)

        async def script(exchange: Exchange) -> None:
            await exchange.caller_gone()
            gone.release()

        engine.script = script
        for _ in range(4):
            asking = asyncio.create_task(running.ask())
            before = len(engine.requests)
            await eventually(lambda: len(engine.requests), before.__lt__, pause=0.005)
            asking.cancel()
            await asyncio.wait_for(gone.acquire(), PATIENCE)
        state = await eventually(
            lambda: running.upstream("e0"), lambda state: not state["outstanding"]
        )
        assert state["breaker"] == "closed"
