"""What an operator can still see and do while the database is stopped or frozen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from querylake_api.cli import app
from querylake_api.rollouts.control.service import READ_SECONDS
from querylake_api_testing.databases import TestPostgres, database_folder, frozen
from querylake_api_testing.rollout_stage import Stage, rollout_stage

SECONDS = 0.5
"""For the response to a rollback, and to whoever reads what is in memory."""

FIRST_SECONDS = READ_SECONDS + 0.5
"""For the first who reads, before it is known that the database is away."""


@dataclass(frozen=True)
class Outage:
    """A stage with a PostgreSQL of its own."""

    stage: Stage
    postgres: TestPostgres
    folder: Path

    @contextmanager
    def crashed(self) -> Iterator[None]:
        self.postgres.crash()
        try:
            yield
        finally:
            self.postgres.restart()

    def frozen(self) -> AbstractContextManager[None]:
        return frozen(self.folder)

    async def ask(
        self, path: str, document: object | None = None, seconds: float = SECONDS
    ) -> httpx.Response:
        """Ask as an operator, who does not wait for long."""
        api = self.stage.api
        where = f"/admin/rollouts{path}"
        began = time.monotonic()
        if document is None:
            response = await api.get(where, key=api.admin_key)
        else:
            response = await api.post(where, document, key=api.admin_key)
        assert time.monotonic() - began < seconds, (path, response.text)
        return response

    async def command(self, *words: str) -> str:
        api = self.stage.api
        environment = {"QUERYLAKE_URL": api.url, "QUERYLAKE_ADMIN_KEY": api.admin_key}
        runner = CliRunner()
        result = await asyncio.to_thread(runner.invoke, app, ["rollout", *words], env=environment)
        assert result.exit_code == 0, result.output
        return result.output


@pytest.fixture
async def outage(tmp_path: Path) -> AsyncIterator[Outage]:
    with database_folder() as folder:
        postgres = TestPostgres(folder / "data")
        async with postgres.database() as url, rollout_stage(tmp_path, url) as stage:
            yield Outage(stage, postgres, folder / "data")
        postgres.stop()


@pytest.mark.parametrize("away", [Outage.crashed, Outage.frozen], ids=["crashed", "frozen"])
async def test_a_rollout_is_seen_and_rolled_back_from_memory(
    outage: Outage, away: Callable[[Outage], AbstractContextManager[None]]
) -> None:
    stage = outage.stage
    rollout = await stage.started(judging={"min_requests": 1_000_000})
    await stage.flipped(rollout, await stage.event(rollout, "started"))
    with away(outage):
        # At once, before anything here has noticed that nobody answers.
        shown = (await outage.ask(f"/{rollout}", seconds=FIRST_SECONDS)).json()
        assert (shown["id"], shown["status"]) == (rollout, "running")
        listed = (await outage.ask("")).json()["data"]
        assert [each["id"] for each in listed] == [rollout]
        assert (await outage.ask(f"/{rollout}/events")).json()["data"] == []
        unknown = await outage.ask("/rollout_0123456789abcdef")
        assert unknown.status_code == 503
        assert "A rollback works without it" in unknown.json()["error"]["message"]
        assert rollout in await outage.command("list")
        assert "running" in await outage.command("status", rollout)
        ordered = time.time()
        answer = await outage.ask(f"/{rollout}/rollback", {"reason": "bad answers"})
        assert (answer.status_code, answer.json()["recorded"]) == (202, False)
        before = len(stage.new.requests)
        assert {await stage.chat() for _ in range(20)} == {200}
        posted = [each for each in stage.new.requests[before:] if each.method == "POST"]
        assert posted == [], "the candidate gets nothing more"
    event = await stage.event(rollout, "rolled_back")
    assert "Bad answers" in event["sentence"]
    assert ordered - 1 < event["figures"]["ordered_at"] < ordered + SECONDS


@pytest.mark.parametrize("away", [Outage.crashed, Outage.frozen], ids=["crashed", "frozen"])
async def test_a_rollback_in_the_first_moment_of_an_outage_is_answered_in_time(
    outage: Outage, away: Callable[[Outage], AbstractContextManager[None]]
) -> None:
    rollout = await outage.stage.started(judging={"min_requests": 1_000_000})
    await outage.stage.flipped(rollout, await outage.stage.event(rollout, "started"))
    with away(outage):
        answer = await outage.ask(f"/{rollout}/rollback", {"reason": "bad answers"})
        assert (answer.status_code, answer.json()["recorded"]) == (202, False)
    await outage.stage.event(rollout, "rolled_back")
