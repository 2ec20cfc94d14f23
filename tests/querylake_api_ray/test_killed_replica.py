"""Two replicas under load, of which one is killed: who notices, and what the ledger says."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from time import monotonic

import httpx
from sqlalchemy import text

from llm_provider_testing.scripted_engine import Exchange, answer_chat, scripted_engine
from querylake_api.configuration.loading import Configuration, load_configuration
from querylake_api.keys.models import Scope
from querylake_api.limits.window import WINDOW_SECONDS
from querylake_api.persistence.database import open_database
from querylake_api.ray_serve.deployment import Listening, Scale, deploy, undeploy
from querylake_api_testing.replicas import replicas
from querylake_api_testing.running import create_key, write_config

TWO = Scale(min_replicas=2, max_replicas=2, cpus=0.1)
SECONDS = 150
A_MINUTE = 1_000_000
"""Requests that a key may send."""

SORTS = ("begun", "late", "whole")
"""Streams that their client has the beginning of, streams of which it has nothing yet, and
requests for a whole answer."""

_NAME = re.compile(rf'"request_id":"((?:{"|".join(SORTS)})-[0-9]+)"')


@dataclass
class Engine:
    """Holds answers back until it may finish them.

    Attributes:
        seen: how often each request has come, by its id.
    """

    seen: Counter[str] = field(default_factory=Counter)
    finish: asyncio.Event = field(default_factory=asyncio.Event)

    async def script(self, exchange: Exchange) -> None:
        if exchange.request.method == "GET":
            await answer_chat(exchange)
            return
        name = exchange.request.headers["x-request-id"]
        self.seen[name] += 1
        begun = name.startswith("begun")
        if begun:
            await exchange.begin_stream()
            await exchange.token("one")
        if name.startswith("quick") or await self._held(exchange):
            if begun:
                await exchange.token(" two", finish_reason="stop")
                await exchange.end_stream()
            else:
                await answer_chat(exchange)

    async def _held(self, exchange: Exchange) -> bool:
        """Wait until it may be finished, and return whether anybody still wants it."""
        gone = asyncio.create_task(exchange.caller_gone())
        finish = asyncio.create_task(self.finish.wait())
        await asyncio.wait((gone, finish), return_when=asyncio.FIRST_COMPLETED)
        wanted = not gone.done()
        gone.cancel()
        finish.cancel()
        return wanted


@dataclass
class Clients:
    """Ask, and note what came.

    Attributes:
        answers: status and body by the request's id; what broke off has None for its status.
        left: what the last answer said of requests that the key may still send in this minute.
    """

    client: httpx.AsyncClient
    answers: dict[str, tuple[int | None, bytes]] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    quick: int = 0
    left: int = 0

    async def ask(self, name: str) -> None:
        stream = not name.startswith(("quick", "whole"))
        body = {"model": "chatty", "messages": [], "stream": stream}
        received = b""
        try:
            async with self.client.stream(
                "POST", "/v1/chat/completions", json=body, headers={"x-request-id": name}
            ) as answer:
                assert answer.headers.get_list("x-request-id") == [name]
                self.left = int(answer.headers["x-ratelimit-remaining-requests"])
                async for piece in answer.aiter_bytes():
                    received += piece
                    self.begun.add(name)
        except httpx.RemoteProtocolError:
            self.answers[name] = (None, received)
        else:
            self.answers[name] = (answer.status_code, received)

    async def keep_asking(self, stopping: asyncio.Event, who: int) -> None:
        for number in count():
            if stopping.is_set():
                return
            await self.ask(f"quick-{who}-{number}")
            self.quick += 1


async def test_no_request_fails_but_streams_that_had_begun_on_a_killed_replica(
    cluster: str, folder: Path, port: int
) -> None:
    async with scripted_engine() as upstream:
        engine = Engine()
        upstream.script = engine.script
        (home := folder / "killed").mkdir()
        home.chmod(0o755)
        configuration = _configuration(home, upstream.url)
        listening = Listening("127.0.0.1", port)
        deployed = await asyncio.to_thread(deploy, configuration, TWO, listening)
        assert deployed.replaying
        first = replicas()
        assert len(first) == 2
        key = await create_key(configuration, scopes=(Scope.INFERENCE,))
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            headers={"authorization": f"Bearer {key.secret}"},
            timeout=SECONDS,
            limits=httpx.Limits(max_connections=None),
            trust_env=False,
        ) as client:
            clients = Clients(client)
            began = monotonic()
            lost = await _killed_under_load(engine, clients, *first)
            await clients.ask("quick-last")
        if monotonic() - began < WINDOW_SECONDS:
            assert A_MINUTE - clients.left <= len(clients.answers), "none is counted twice"

        failed = {name for name, answer in clients.answers.items() if not _is_good(name, answer)}
        assert failed == {name for name in lost if name.startswith("begun")}
        for name in failed:
            status, received = clients.answers[name]
            assert status is None, "a connection that breaks off"
            assert b"one" in received
            assert b"[DONE]" not in received
        # An engine has seen twice what it was asked by a replica that died, and nothing else.
        for name, times in engine.seen.items():
            asked_again = name in lost - failed
            assert times == 1 + asked_again or (name.startswith("quick") and times == 2), name

        ledger = await _ledger(configuration, len(clients.answers))
        assert ledger == {
            name: ["lost_in_crash" if name in failed else "success"] for name in clients.answers
        }
        await asyncio.to_thread(undeploy)


async def _killed_under_load(engine: Engine, clients: Clients, victim: int, other: int) -> set[str]:
    """Kill a replica while both hold requests of every sort, and return those that it held."""
    stopping = asyncio.Event()
    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as tasks:
        for number in count():
            for sort in SORTS:
                tasks.create_task(clients.ask(f"{sort}-{number}"))
                while f"{sort}-{number}" not in engine.seen:
                    await asyncio.sleep(0.02)
            if all(_sorts(_held_by(replica)) == set(SORTS) for replica in (victim, other)):
                break
        begun = {name for name in engine.seen if name.startswith("begun")}
        while not begun <= clients.begun:
            await asyncio.sleep(0.02)
        for who in range(4):
            tasks.create_task(clients.keep_asking(stopping, who))
        while clients.quick < 20:
            await asyncio.sleep(0.02)
        before = clients.quick
        lost = _held_by(victim)
        os.kill(victim, signal.SIGKILL)
        while clients.quick < before + 100 or len(set(replicas()) - {victim}) < 2:
            await asyncio.sleep(0.05)
        for name in lost - begun:
            while engine.seen[name] < 2 and name not in clients.answers:
                await asyncio.sleep(0.05)
        stopping.set()
        engine.finish.set()
    return lost


def _held_by(replica: int) -> set[str]:
    """Return the requests that are held back and that a process has put into its ledger."""
    held: set[str] = set()
    for opened in Path(f"/proc/{replica}/fd").iterdir():
        with suppress(FileNotFoundError):  # it may be closed by now
            target = os.readlink(opened)
            if target.endswith(".spool"):
                held.update(_NAME.findall(Path(target).read_text()))
    return held


def _sorts(names: set[str]) -> set[str]:
    return {name.partition("-")[0] for name in names}


def _is_good(name: str, answer: tuple[int | None, bytes]) -> bool:
    """Return whether an answer is there, and all of it."""
    status, body = answer
    if name.startswith(("quick", "whole")):
        return status == 200 and b'"one two three"' in body
    return status == 200 and body.endswith(b"data: [DONE]\n\n")


async def _ledger(configuration: Configuration, requests: int) -> dict[str, list[str]]:
    """Return the outcomes of each request, once every request has one that will not change."""
    found: dict[str, list[str]] = {}
    async with open_database(configuration) as database, asyncio.timeout(SECONDS):
        while True:
            async with database.begin() as connection:
                rows = await connection.execute(
                    text("SELECT request_id, outcome FROM usage_records")
                )
                found = {}
                for request_id, outcome in rows:
                    found.setdefault(request_id, []).append(outcome)
            if len(found) == requests:
                return found
            await asyncio.sleep(0.2)


def _configuration(folder: Path, engine: str) -> Configuration:
    target = {"upstream": "engine", "model": "chatty"}
    return load_configuration(
        write_config(
            folder,
            database="embedded:postgres",
            server={"drain_seconds": 5},
            limits={"requests_per_minute": A_MINUTE},
            upstreams={"engine": {"base_url": engine}},
            models={"chatty": {"capabilities": ["chat"], "targets": [target]}},
        )
    )
