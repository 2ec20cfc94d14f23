"""A request whose engine fails goes to a replica, as long as nothing has gone to the client."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from llm_provider_testing.scripted_engine import (
    Exchange,
    Script,
    ScriptedEngine,
    answer_chat,
    completion,
    scripted_engine,
)
from querylake_api_testing.client import Client
from querylake_api_testing.running import RunningApi, running_api, write_config

PATH = "/v1/chat/completions"
CHAT = {"model": "m", "messages": []}
PATIENCE = 10.0


class Replicas:
    """The API in front of several engines that serve one model. The first one is asked first."""

    def __init__(self, api: RunningApi, engines: list[ScriptedEngine]) -> None:
        self.api = api
        self.engines = engines

    async def ask(self, *, stream: bool = False) -> httpx.Response:
        return await self.api.post(PATH, {**CHAT, "stream": stream})

    @asynccontextmanager
    async def streaming(self) -> AsyncIterator[AsyncIterator[bytes]]:
        body = {**CHAT, "stream": True}
        async with self.api.client.stream(
            "POST", PATH, json=body, headers=self.api.headers()
        ) as response:
            assert response.status_code == 200
            yield response.aiter_bytes()

    def asked(self) -> list[int]:
        return [len(engine.requests) for engine in self.engines]

    def record(self) -> dict[str, Any]:
        [line] = [line for line in self.api.log_lines() if line["event"] == "request"]
        return line

    async def upstream(self, name: str) -> dict[str, Any]:
        listed = await self.api.get("/admin/upstreams", key=self.api.admin_key)
        [found] = [each for each in listed.json()["data"] if each["name"] == name]
        assert isinstance(found, dict)
        return found


@asynccontextmanager
async def replicas(
    folder: Path,
    database: str,
    count: int = 2,
    *,
    model: dict[str, object] | None = None,
    **sections: dict[str, object],
) -> AsyncIterator[Replicas]:
    """Start engines e0, e1, … and the API in front of them."""
    engines = [await _enter(scripted_engine()) for _ in range(count)]
    timeouts = {"connect": 5.0, "first_byte": 1.0, "idle": 1.0}
    config = write_config(
        folder,
        database=database,
        upstreams={
            f"e{number}": {"base_url": engine.url, "timeouts": timeouts}
            for number, (engine, _) in enumerate(engines)
        },
        models={
            "m": {
                "capabilities": ["chat"],
                "targets": [{"upstream": f"e{number}", "model": "M"} for number in range(count)],
                **(model or {}),
            }
        },
        **sections,
    )
    try:
        async with running_api(config) as api:
            yield Replicas(api, [engine for engine, _ in engines])
    finally:
        for _, manager in engines:
            await manager.__aexit__(None, None, None)


async def _enter(manager: Any) -> tuple[ScriptedEngine, Any]:
    return await manager.__aenter__(), manager


@pytest.fixture
async def pair(tmp_path: Path, database_url: str) -> AsyncIterator[Replicas]:
    patient: dict[str, object] = {"reserve": 1000.0}
    async with replicas(
        tmp_path, database_url, breaker={"failures": 1000}, retry=patient
    ) as running:
        yield running


async def hang_up(exchange: Exchange) -> None:
    exchange.hang_up()


async def reset(exchange: Exchange) -> None:
    exchange.reset()


async def say_nothing(exchange: Exchange) -> None:
    await exchange.caller_gone()


async def cut_short(exchange: Exchange) -> None:
    await exchange.raw(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"
    )
    exchange.hang_up()


async def talk_nonsense(exchange: Exchange) -> None:
    await exchange.raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    exchange.hang_up()


async def end_at_once(exchange: Exchange) -> None:
    await exchange.begin_stream()
    await exchange.end_stream(done=False)


async def begin_with_an_error(exchange: Exchange) -> None:
    await exchange.begin_stream()
    await exchange.piece(b'data: {"error": {"message": "EngineCore died", "code": 400}}\n\n')
    await exchange.end_stream()


async def begin_and_hang(exchange: Exchange) -> None:
    await exchange.begin_stream()
    await exchange.caller_gone()


def answering(body: object, status: int, headers: dict[str, str] | None = None) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.whole(body, status=status, headers=headers)

    return script


BOTH = (False, True)
MENDED: list[tuple[str, Script, tuple[bool, ...]]] = [
    ("hangs up", hang_up, BOTH),
    ("resets", reset, BOTH),
    ("says nothing", say_nothing, BOTH),
    ("is cut short", cut_short, BOTH),
    ("is no engine", talk_nonsense, BOTH),
    ("500", answering(b"<html>oops</html>", 500), BOTH),
    ("503", answering(b"loading", 503), BOTH),
    ("503 until", answering(b"", 503, {"retry-after": "0"}), BOTH),
    ("429 until", answering(b"", 429, {"retry-after": "0"}), BOTH),
    ("200 with an error", answering({"error": {"message": "x", "code": 500}}, 200), BOTH),
    ("200 with a page", answering(b"<html>", 200), BOTH),
    ("an empty stream", end_at_once, (True,)),
    ("an error as first event", begin_with_an_error, (True,)),
    ("a head and nothing more", begin_and_hang, (True,)),
]


async def test_the_client_never_knows(pair: Replicas, subtests: pytest.Subtests) -> None:
    failing = pair.engines[0]
    for name, script, streams in MENDED:
        for stream in streams:
            with subtests.test(fault=name, stream=stream):
                failing.script = script
                # The turn goes round: after the healthy engine, it is the failing one's again.
                response = await pair.ask(stream=stream)
                assert response.status_code == 200
                if stream:
                    assert response.text.endswith("data: [DONE]\n\n")
                    assert "error" not in response.text
                else:
                    assert response.json() == completion("m")
    lines = [line for line in pair.api.log_lines() if line["event"] == "request"]
    assert len(lines) == sum(len(streams) for _, _, streams in MENDED)
    assert {line["outcome"] for line in lines} == {"success"}
    assert {(line["upstream"], line["attempts"]) for line in lines} == {("e1", 2)}


async def test_an_engine_that_is_not_there(tmp_path: Path, database_url: str) -> None:
    async with replicas(tmp_path, database_url) as running:
        config = (tmp_path / "querylake.toml").read_text(encoding="utf-8")
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            nobody = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        config = config.replace(f'"{running.engines[0].url}"', f'"{nobody}"\nactive_health = false')
        (tmp_path / "querylake.toml").write_text(config, encoding="utf-8")
        await running.api.client.post(
            "/admin/config/reload", headers=running.api.headers(running.api.admin_key)
        )
        assert (await running.ask()).status_code == 200
        away = await running.upstream("e0")
        assert away["connect_failures"] == 1
        assert "Connection refused" in away["last_error"]
        assert away["last_error_at"] is not None


NOT_RETRIED: list[tuple[int, int]] = [
    (400, 400),
    (404, 404),
    (413, 413),
    (422, 422),
    (429, 429),
    (401, 502),
    (501, 502),
    (302, 502),
]


async def test_what_another_engine_would_answer_alike_is_not_asked_twice(
    pair: Replicas, subtests: pytest.Subtests
) -> None:
    for status, seen in NOT_RETRIED:
        for engine in pair.engines:
            engine.script = answering({"error": {"message": "no"}}, status)
        with subtests.test(status=status):
            before = sum(pair.asked())
            assert (await pair.ask()).status_code == seen
            assert sum(pair.asked()) == before + 1


async def test_nothing_is_sent_again_once_the_client_has_something(pair: Replicas) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.token("one")
        exchange.reset()

    pair.engines[0].script = script
    response = await pair.ask(stream=True)
    assert response.status_code == 200
    *_, last, rest = response.text.split("\n\n")
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "upstream_interrupted"
    assert rest == ""
    assert pair.asked() == [1, 0]
    assert pair.record()["outcome"] == "truncated"


async def test_a_poisonous_request_kills_two_engines_at_most(
    tmp_path: Path, database_url: str
) -> None:
    async with replicas(tmp_path, database_url, 3) as running:
        for engine in running.engines:
            engine.script = hang_up
        response = await running.ask()
        assert response.status_code == 502
        assert response.json()["error"]["code"] == "upstream_interrupted"
        assert running.asked() == [1, 1, 0]


async def test_engines_that_did_not_begin_on_it_are_all_tried(
    tmp_path: Path, database_url: str
) -> None:
    async with replicas(tmp_path, database_url, 3) as running:
        for engine in running.engines[:2]:
            engine.script = answering(b"busy", 503, {"retry-after": "7"})
        assert (await running.ask()).status_code == 200
        assert running.asked() == [1, 1, 1]
        # They want to be left alone, so they are.
        assert (await running.ask()).status_code == 200
        assert running.asked() == [1, 1, 2]
        running.engines[2].script = answering(b"busy", 429, {"retry-after": "9"})
        response = await running.ask()
        assert (response.status_code, response.headers["retry-after"]) == (503, "7")
        assert running.asked() == [2, 2, 3]


async def test_the_number_of_attempts_has_a_limit(tmp_path: Path, database_url: str) -> None:
    async with replicas(tmp_path, database_url, 3, retry={"max_attempts": 2}) as running:
        for engine in running.engines:
            engine.script = answering(b"busy", 503)
        assert (await running.ask()).status_code == 503
        assert running.asked() == [1, 1, 0]


async def test_retries_have_a_budget(tmp_path: Path, database_url: str) -> None:
    settings: dict[str, object] = {"ratio": 0.0, "reserve": 2.0}
    async with replicas(
        tmp_path, database_url, retry=settings, breaker={"failures": 1000}
    ) as running:
        for engine in running.engines:
            engine.script = answering(b"busy", 503)
        for _ in range(10):
            assert (await running.ask()).status_code == 503
        assert sum(running.asked()) == 12


async def test_one_engine_alone_is_asked_again_after_a_lost_connection(
    tmp_path: Path, database_url: str
) -> None:
    async with replicas(tmp_path, database_url, 1) as running:

        async def once(exchange: Exchange) -> None:
            running.engines[0].script = answer_chat
            exchange.hang_up()

        running.engines[0].script = once
        assert (await running.ask()).status_code == 200
        assert running.asked() == [2]


async def test_an_engine_that_fails_is_spared_and_comes_back(
    tmp_path: Path, database_url: str
) -> None:
    breaker: dict[str, object] = {"failures": 3, "open_seconds": 0.3, "max_open_seconds": 0.3}
    async with replicas(tmp_path, database_url, breaker=breaker) as running:
        failing, _ = running.engines
        failing.script = answering(b"", 500)
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
    breaker: dict[str, object] = {"failures": 2, "open_seconds": 30.0}
    async with replicas(tmp_path, database_url, 1, breaker=breaker) as running:
        running.engines[0].script = answering(b"", 500)
        assert [(await running.ask()).status_code for _ in range(2)] == [502, 502]
        response = await running.ask()
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "upstream_recovering"
        assert 25 <= int(response.headers["retry-after"]) <= 30
        assert running.asked() == [2]
        ready = await running.api.client.get("/readyz")
        assert (ready.status_code, ready.json()["upstreams"]["e0"]["breaker"]) == (503, "open")


async def test_a_stream_that_begins_closes_the_breaker(tmp_path: Path, database_url: str) -> None:
    breaker: dict[str, object] = {"failures": 1, "open_seconds": 0.2}
    async with replicas(tmp_path, database_url, 1, breaker=breaker) as running:
        engine = running.engines[0]
        engine.script = answering(b"", 500)
        await running.ask()
        finish = asyncio.Event()

        async def script(exchange: Exchange) -> None:
            await exchange.begin_stream()
            await exchange.token("one", finish_reason="stop")
            await finish.wait()
            await exchange.end_stream()

        engine.script = script
        async with asyncio.timeout(PATIENCE):
            while (await running.upstream("e0"))["breaker"] == "open":
                await asyncio.sleep(0.02)
        async with running.streaming() as pieces:
            assert b"one" in await anext(pieces)
            state = await running.upstream("e0")
            assert (state["breaker"], state["outstanding"]) == ("closed", 1)
            finish.set()


async def test_callers_faults_never_open_a_breaker(tmp_path: Path, database_url: str) -> None:
    async with replicas(tmp_path, database_url, 1, breaker={"failures": 2}) as running:
        for status in (400, 401, 404, 422, 429):
            running.engines[0].script = answering({"error": {"message": "no"}}, status)
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
            async with asyncio.timeout(PATIENCE):
                before = len(engine.requests)
                while len(engine.requests) == before:
                    await asyncio.sleep(0.005)
            asking.cancel()
            await asyncio.wait_for(gone.acquire(), PATIENCE)
        async with asyncio.timeout(PATIENCE):
            while (state := await running.upstream("e0"))["outstanding"]:
                await asyncio.sleep(0.01)
        assert state["breaker"] == "closed"


async def test_a_client_that_leaves_between_two_attempts(pair: Replicas) -> None:
    gone = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.caller_gone()
        gone.set()

    pair.engines[0].script = hang_up
    pair.engines[1].script = script
    client = Client(pair.api)
    await client.connect()
    await client.send(CHAT)
    async with asyncio.timeout(PATIENCE):
        while pair.asked() != [1, 1]:
            await asyncio.sleep(0.005)
        client.leave()
        await gone.wait()
        while (await pair.upstream("e1"))["outstanding"]:
            await asyncio.sleep(0.01)
    [record] = [line for line in pair.api.log_lines() if line.get("path") == PATH]
    assert (record["outcome"], record["attempts"]) == ("client_abort", 2)


async def test_a_deadline_holds_over_all_attempts(tmp_path: Path, database_url: str) -> None:
    model: dict[str, object] = {"deadline_seconds": 1.5}
    async with replicas(tmp_path, database_url, model=model) as running:
        for engine in running.engines:
            engine.script = say_nothing  # 1 s each
        response = await running.ask()
        assert response.status_code == 504
        error = response.json()["error"]
        assert (error["code"], error["type"]) == ("deadline_exceeded", "upstream_error")
        assert error["message"] == "'m' had no answer within the 1.5 s that it may take."
        assert running.asked() == [1, 1]


async def test_the_least_busy_engine_is_next(pair: Replicas) -> None:
    finish = asyncio.Event()

    async def slow(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.token("one", finish_reason="stop")
        await finish.wait()
        await exchange.end_stream()

    first, second = pair.engines
    first.script = slow
    async with pair.streaming() as pieces:
        assert b"one" in await anext(pieces)
        for _ in range(4):
            await pair.ask()
        assert (len(first.requests), len(second.requests)) == (1, 4)
        finish.set()
