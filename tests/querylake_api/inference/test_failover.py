"""A request whose engine fails goes to a replica, as long as nothing has gone to the client."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from llm_provider_testing.scripted_engine import (
    Exchange,
    Script,
    answer_chat,
    answering,
    completion,
)
from querylake_api_testing.client import Client
from querylake_api_testing.engine_faults import (
    begin_and_hang,
    begin_with_an_error,
    cut_short,
    end_at_once,
    hang_up,
    reset,
    say_nothing,
    talk_nonsense,
)
from querylake_api_testing.several_engines import CHAT, PATH, Replicas, replicas
from waiting_testing.waiting import PATIENCE, eventually

PATIENT: dict[str, object] = {"reserve": 1000.0}
"""Retries, for tests that are about something else."""


@pytest.fixture
async def pair(tmp_path: Path, database_url: str) -> AsyncIterator[Replicas]:
    async with replicas(
        tmp_path, database_url, breaker={"failures": 1000}, retry=PATIENT
    ) as running:
        yield running


BOTH = (False, True)
CORE_DIED = "EngineCore encountered an issue. See stack trace (above) for the root cause."
"""vLLM 0.13 says so to whoever wanted embeddings from a core that died, as the caller's fault."""
Fault = tuple[str, Script, tuple[bool, ...]]
MENDED: list[Fault] = [
    ("hangs up", hang_up, BOTH),
    ("resets", reset, BOTH),
    ("is cut short", cut_short, BOTH),
    ("is no engine", talk_nonsense, BOTH),
    ("500", answering(b"<html>oops</html>", status=500), BOTH),
    ("400", answering({"error": {"message": CORE_DIED, "code": 400}}, status=400), BOTH),
    ("200 with it", answering({"error": {"message": CORE_DIED, "code": 400}}), BOTH),
    ("503", answering(b"loading", status=503), BOTH),
    ("503 until", answering(b"", status=503, headers={"retry-after": "0"}), BOTH),
    ("429 until", answering(b"", status=429, headers={"retry-after": "0"}), BOTH),
    ("200 with an error", answering({"error": {"message": "x", "code": 500}}, status=200), BOTH),
    ("200 with a page", answering(b"<html>", status=200), BOTH),
    ("an empty stream", end_at_once, (True,)),
    ("an error as first event", begin_with_an_error, (True,)),
]
HANGS: list[Fault] = [
    ("says nothing", say_nothing, BOTH),
    ("a head and nothing more", begin_and_hang, (True,)),
]


async def send_to_failing(
    engines: Replicas, faults: list[Fault], subtests: pytest.Subtests
) -> None:
    """Let the first engine fail in every way, and see that clients are answered by the second."""
    failing = engines.engines[0]
    for name, script, streams in faults:
        for stream in streams:
            with subtests.test(fault=name, stream=stream):
                failing.script = script
                # The turn goes round: after the healthy engine, it is the failing one's again.
                response = await engines.ask(stream=stream)
                assert response.status_code == 200
                if stream:
                    assert response.text.endswith("data: [DONE]\n\n")
                    assert "error" not in response.text
                else:
                    assert response.json() == completion("m")
    lines = [line for line in engines.api.log_lines() if line["event"] == "request"]
    assert len(lines) == sum(len(streams) for _, _, streams in faults)
    assert {line["outcome"] for line in lines} == {"success"}
    assert {(line["upstream"], line["attempts"]) for line in lines} == {("e1", 2)}


async def test_the_client_never_knows(pair: Replicas, subtests: pytest.Subtests) -> None:
    await send_to_failing(pair, MENDED, subtests)


async def test_the_client_of_an_engine_that_hangs_only_waits(
    tmp_path: Path, database_url: str, subtests: pytest.Subtests
) -> None:
    async with replicas(
        tmp_path, database_url, hurried={0: 0.5}, breaker={"failures": 1000}, retry=PATIENT
    ) as engines:
        await send_to_failing(engines, HANGS, subtests)


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
]


async def test_what_another_engine_would_answer_alike_is_not_asked_twice(
    pair: Replicas, subtests: pytest.Subtests
) -> None:
    for status, seen in NOT_RETRIED:
        for engine in pair.engines:
            engine.script = answering({"error": {"message": f"no {CORE_DIED}"}}, status=status)
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
    await eventually(lambda: pair.asked() == [1, 1], pause=0.005)
    client.leave()
    await asyncio.wait_for(gone.wait(), PATIENCE)
    await eventually(lambda: pair.upstream("e1"), lambda state: not state["outstanding"])
    [record] = [line for line in pair.api.log_lines() if line.get("path") == PATH]
    assert (record["outcome"], record["attempts"]) == ("client_abort", 2)


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
