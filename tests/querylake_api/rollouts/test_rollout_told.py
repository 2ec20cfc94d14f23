"""How others follow a rollout, and act on it: the command line, metrics, and webhooks."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from llm_provider_testing.scripted_engine import Exchange, scripted_engine
from querylake_api.cli import app
from querylake_api.rollouts.control.webhooks import signature
from querylake_api_testing.databases import TestPostgres
from querylake_api_testing.rollout_stage import PLAN, Stage, rollout_stage
from waiting_testing.waiting import PATIENCE

SLOWLY = {"steps": [{"percent": 50, "bake_seconds": 600}]}
SECRET = "s3cret"


@pytest.fixture
async def stage(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stage]:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    async with rollout_stage(tmp_path, database_url, webhook_secret_env="HOOK_SECRET") as running:
        yield running


Command = Callable[..., Coroutine[Any, Any, str]]


@pytest.fixture
def command(stage: Stage) -> Command:
    """Give a function that runs `rollout …` and returns what it printed."""
    environment = {"QUERYLAKE_URL": stage.api.url, "QUERYLAKE_ADMIN_KEY": stage.api.admin_key}

    async def rollout(*words: str, code: int = 0) -> str:
        runner = CliRunner()
        result = await asyncio.to_thread(runner.invoke, app, ["rollout", *words], env=environment)
        assert result.exit_code == code, result.output
        return result.output if code == 0 else str(result.exception)

    return rollout


async def drafted(command: Command, tmp_path: Path) -> str:
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(PLAN | SLOWLY))
    name: str = json.loads(await command("create", str(plan), "--json"))["id"]
    return name


async def test_the_command_line_does_what_the_routes_do(
    stage: Stage, command: Command, tmp_path: Path
) -> None:
    created = await drafted(command, tmp_path)
    assert "is running" in await command("start", created, "--reason", "new engine")
    await stage.event(created, "flipped")
    assert "failed requests" in await command("status", created)
    assert "is paused" in await command("pause", created)
    assert "is running" in await command("resume", created)
    assert "is rolled back" in await command("rollback", created)
    assert "New engine." in await command("history", created)
    assert "rolled back" in await command("list")

    aborted = await drafted(command, tmp_path)
    assert "is aborted" in await command("abort", aborted)

    promoted = await drafted(command, tmp_path)
    await command("start", promoted)
    assert "not through its last step" in await command("promote", promoted, code=1)
    override = ("--override-by", "Ada", "--override-reason", "the old GPU burns")
    assert "is promoted" in await command("promote", promoted, *override)
    assert "Ada overrode" in await command("history", promoted)


async def test_watching_ends_with_the_rollout(
    stage: Stage, command: Command, tmp_path: Path
) -> None:
    created = await drafted(command, tmp_path)
    await command("start", created)
    look = f'"path":"/admin/rollouts/{created}",'.encode()
    watching = asyncio.create_task(command("status", created, "--watch"))
    async with asyncio.timeout(PATIENCE):
        while stage.api.log.getvalue().count(look) < 2:
            assert not watching.done()
            await asyncio.sleep(0.05)
        await stage.admin(f"/{created}/rollback", {"reason": "seen enough"})
        shown = await watching
    assert "rolled back" in shown
    assert "Seen enough." in shown


async def gauges(stage: Stage) -> dict[tuple[str, ...], float]:
    """Return what is said of rollouts, by name and labels in the order of their own names."""
    text = (await stage.api.client.get("/metrics")).text
    return {
        (
            sample.name.removeprefix("querylake_rollout_"),
            *(label for _, label in sorted(sample.labels.items())),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("querylake_rollout_")
    }


async def say(stage: Stage, wanted: dict[tuple[str, ...], float | None]) -> None:
    """Wait until gauges have these values; None for those that are not there."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = await gauges(stage)
            if {name: found.get(name) for name in wanted} == wanted:
                return
            await asyncio.sleep(0.05)


async def test_metrics_say_where_requests_go_and_what_became_of_them(
    stage: Stage, postgres: TestPostgres, database_url: str
) -> None:
    rollout = await stage.started(**SLOWLY)
    await stage.flipped(rollout, await stage.event(rollout, "started"))
    for _ in range(20):
        assert await stage.chat() == 200
    new = sum(request.method == "POST" for request in stage.new.requests)
    assert 0 < new < 20
    await say(
        stage,
        {
            ("candidate_share", "chatty"): 0.5,
            ("status", "chatty", "running"): 1,
            ("status", "chatty", "rolled_back"): 0,
            # In the order of the labels: failed, model, stack.
            ("outcomes", "false", "chatty", "candidate"): new,
            ("outcomes", "false", "chatty", "stable"): 20 - new,
            ("controllers",): 1,
            ("routing_fresh",): 1,
        },
    )
    await postgres.set_reachable(database_url, False)
    await say(stage, {("routing_fresh",): 0, ("candidate_share", "chatty"): 0.5})
    await postgres.set_reachable(database_url, True)
    await say(stage, {("routing_fresh",): 1})
    await stage.admin(f"/{rollout}/rollback", {})
    await say(
        stage,
        {("candidate_share", "chatty"): None, ("status", "chatty", "rolled_back"): 1},
    )


async def test_webhooks_get_every_event_signed(stage: Stage) -> None:
    async def take(exchange: Exchange) -> None:
        await exchange.whole(b"")

    async with scripted_engine() as receiver:
        receiver.script = take
        rollout = await stage.started(**SLOWLY, webhooks=[f"{receiver.url}/hook"])
        await stage.admin(f"/{rollout}/rollback", {"reason": "it was a Friday"})
        async with asyncio.timeout(PATIENCE):
            while len({each.headers["x-querylake-event"] for each in receiver.requests}) < 4:
                await asyncio.sleep(0.05)
        told = list(receiver.requests)
    documents = {each.json()["id"]: each.json() for each in told}
    kinds = [documents[number]["kind"] for number in sorted(documents)]
    assert kinds[:2] == ["created", "started"]
    assert {"rolled_back", "flipped"} <= set(kinds)
    assert {document["rollout"] for document in documents.values()} == {rollout}
    assert any("It was a Friday." in document["sentence"] for document in documents.values())
    for each in told:
        stamp = each.headers["x-querylake-timestamp"]
        assert each.headers["x-querylake-signature"] == signature(SECRET, stamp, each.body)


async def test_a_webhook_that_never_ends_its_response_delays_its_own_events_only(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("querylake_api.rollouts.control.webhooks.ATTEMPT_SECONDS", 0.5)
    monkeypatch.setattr("querylake_api.rollouts.control.webhooks.PAUSE_SECONDS", 0.01)
    cut = 0

    async def endless(exchange: Exchange) -> None:
        nonlocal cut
        head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        await exchange.raw(head)
        with contextlib.suppress(ConnectionError):
            while True:
                await exchange.raw(b"10000\r\n" + bytes(0x10000) + b"\r\n")
                await asyncio.sleep(0.01)  # Leave the loop to the API under test.
        cut += 1

    async def drip(exchange: Exchange) -> None:
        await exchange.raw(b"HTTP/1.1 200 OK\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                await exchange.raw(b"x: y\r\n")
                await asyncio.sleep(0.05)

    async def take(exchange: Exchange) -> None:
        await exchange.whole(b"")

    async with scripted_engine() as large, scripted_engine() as slow, scripted_engine() as good:
        large.script, slow.script, good.script = endless, drip, take
        hooks = [f"{each.url}/hook" for each in (slow, large, good)]
        rollout = await stage.started(**SLOWLY, webhooks=hooks)
        await stage.admin(f"/{rollout}/rollback", {})
        async with asyncio.timeout(PATIENCE):
            for receiver in (good, large):
                while len({each.headers["x-querylake-event"] for each in receiver.requests}) < 4:
                    await asyncio.sleep(0.05)
            while "no response within" not in caplog.text or cut < 4:
                await asyncio.sleep(0.05)
        order = [int(each.headers["x-querylake-event"]) for each in good.requests]
    assert order == sorted(order), "a receiver gets its events in order"
