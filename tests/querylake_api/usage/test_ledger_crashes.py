"""Processes that are killed at any moment, and a ledger that knows of every request anyway."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine, answer_chat
from querylake_api.configuration.loading import load_configuration
from querylake_api.keys.models import Scope
from querylake_api_testing.databases import TestPostgres, database_folder
from querylake_api_testing.process import serve_process
from querylake_api_testing.running import create_key, write_config
from querylake_api_testing.traffic import Record, Traffic, ids, recorded, records
from waiting_testing.waiting import eventually

KILLS = int(os.environ.get("QUERYLAKE_KILLS", "2"))
"""More of them for a series that takes minutes; see docs/operations/usage.md."""


class Served:
    """What the engine did, by its own account.

    Attributes:
        asked: ids of requests that reached it.
        answered: of these, the ones that it answered to the end.
    """

    def __init__(self) -> None:
        self.asked: set[str] = set()
        self.answered: set[str] = set()

    async def script(self, exchange: Exchange) -> None:
        """Answer after a moment, in which anything can happen; to those who wait, never."""
        request_id = exchange.request.headers["x-request-id"]
        self.asked.add(request_id)
        if request_id.startswith("waits"):
            await exchange.caller_gone()
            return
        await asyncio.sleep(random.random() * 0.05)
        await answer_chat(exchange)
        self.answered.add(request_id)

    async def waited_for(self, name: str) -> None:
        """Wait until the engine has a request that it never answers."""
        await eventually(lambda: any(each.startswith(name) for each in self.asked))


async def traffic_to(config_file: Path) -> Traffic:
    key = await create_key(load_configuration(config_file), scopes=(Scope.INFERENCE,))
    return Traffic("", {"authorization": f"Bearer {key.secret}"})


def check(found: list[Record], served: Served, traffic: Traffic) -> Counter[object]:
    """Reconcile the ledger with what engine and clients say."""
    names = ids(found)
    assert len(names) == len(set(names)), "a request is in the ledger twice"
    # Whatever reached the engine is there. A request that was killed in its first step may be there
    # without having reached the engine, and says so.
    by_name = {str(record["request_id"]): record for record in found}
    assert served.asked <= set(names), "a request that the engine got is missing"
    for name, record in by_name.items():
        if record["outcome"] == "success":
            assert name in served.answered
            assert (record["prompt_tokens"], record["completion_tokens"]) == (3, 3)
        if name in traffic.answered:
            assert record["outcome"] in ("success", "lost_in_crash")
    return Counter(record["outcome"] for record in found)


async def test_the_process_is_killed_again_and_again(
    config_file: Path, engine: ScriptedEngine, database_url: str
) -> None:
    served = Served()
    engine.script = served.script
    traffic = await traffic_to(config_file)
    for number in range(KILLS):
        async with serve_process(config_file, "--port", "0") as server:
            traffic.url = server.url
            before = len(traffic.answered)
            async with (
                traffic.running(clients=8, name=f"life-{number}"),
                traffic.running(clients=1, name=f"waits-{number}"),
            ):
                await traffic.reaches(before + 40)
                await served.waited_for(f"waits-{number}-")
                await asyncio.sleep(random.random() * 0.5)
                server.process.kill()
                await server.process.wait()
    async with serve_process(config_file, "--port", "0") as server:
        found = await recorded(
            database_url,
            lambda found: served.asked <= {str(record["request_id"]) for record in found},
        )
        assert await server.end(signal.SIGTERM) == 0
    outcomes = check(found, served, traffic)
    # Nine clients at a time were cut off, each of them at most once, and one of them for sure.
    assert KILLS <= outcomes["lost_in_crash"] <= 9 * KILLS
    assert outcomes["success"] >= len(traffic.answered) - outcomes["lost_in_crash"]
    spools = config_file.parent / ".querylake" / "state" / "usage"
    assert not list(spools.glob("*.spool"))
    assert not list(spools.glob("*.lock"))


async def test_the_others_take_over_what_a_killed_worker_left(
    config_file: Path, engine: ScriptedEngine, database_url: str
) -> None:
    served = Served()
    engine.script = served.script
    traffic = await traffic_to(config_file)
    async with serve_process(config_file, "--port", "0", "--workers", "2") as server:
        workers = [
            int(line["event"].rpartition(" ")[2])
            for line in server.log
            if line["event"].startswith("worker ") and "is ready" in line["event"]
        ]
        traffic.url = server.url
        async with traffic.running(clients=8):
            await traffic.reaches(40)
            os.kill(random.choice(workers), signal.SIGKILL)
            await traffic.reaches(len(traffic.answered) + 40)
        found = await recorded(
            database_url,
            lambda found: served.asked <= {str(record["request_id"]) for record in found},
        )
        outcomes = check(found, served, traffic)
        assert outcomes["lost_in_crash"] <= 8
        assert await server.end(signal.SIGTERM) == 0


@pytest.fixture
def own_postgres() -> Iterator[TestPostgres]:
    """Give a PostgreSQL that may be killed."""
    with database_folder() as folder:
        server = TestPostgres(folder / "data")
        yield server
        server.stop()


async def test_postgres_is_killed_under_load(
    tmp_path: Path, engine: ScriptedEngine, own_postgres: TestPostgres
) -> None:
    served = Served()
    engine.script = served.script
    async with own_postgres.database() as url:
        config_file = write_config(
            tmp_path,
            database=url,
            upstreams={"engine": {"base_url": engine.url}},
            models={
                "default": {
                    "capabilities": ["chat"],
                    "targets": [{"upstream": "engine", "model": "m"}],
                }
            },
        )
        traffic = await traffic_to(config_file)
        async with serve_process(config_file, "--port", "0") as server:
            traffic.url = server.url
            async with traffic.running(clients=8):
                await traffic.reaches(40)
                await asyncio.to_thread(own_postgres.crash)
                # Answers go on without it.
                await traffic.reaches(len(traffic.answered) + 60)
                await asyncio.to_thread(own_postgres.restart)
                await traffic.reaches(len(traffic.answered) + 40)
            assert traffic.other == {}, "no client notices"
            found = await recorded(
                url,
                lambda found: served.asked <= {str(record["request_id"]) for record in found},
            )
            outcomes = check(found, served, traffic)
            assert set(outcomes) <= {"success", "client_abort"}
            assert outcomes["success"] >= len(traffic.answered)
            assert await server.end(signal.SIGTERM) == 0
        assert ids(await records(url)) == ids(found)
