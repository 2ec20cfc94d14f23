"""The ledger: every request once, with what it took, whatever the database does meanwhile."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # ships none
import pytest

from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine
from querylake_api.configuration.loading import load_configuration
from querylake_api.keys.models import Scope
from querylake_api.observability.metrics import Metrics
from querylake_api.persistence.database import Database
from querylake_api.persistence.location import asyncpg_url
from querylake_api.usage.entry import EntryIds, begin_entry, end_entry, lost_entry
from querylake_api.usage.frames import Kind, decode
from querylake_api.usage.insertion import Insertion, insert_entries
from querylake_api.usage.ledger import Ledger
from querylake_api_testing.databases import TestPostgres
from querylake_api_testing.finished_requests import finished_request
from querylake_api_testing.process import serve_process
from querylake_api_testing.running import RunningApi, create_key, running_api
from querylake_api_testing.traffic import Traffic, ids, recorded, records
from waiting_testing.waiting import eventually

CHAT = {"model": "default", "messages": []}


async def ledger(url: str, count: int) -> dict[str, dict[str, object]]:
    """Return the records by request id, once there are so many."""
    found = await recorded(url, lambda found: len(found) >= count)
    assert len(found) == count
    return {str(record["request_id"]): record for record in found}


async def test_what_a_record_tells(
    api: RunningApi, engine: ScriptedEngine, database_url: str
) -> None:
    async def ask(name: str, path: str, document: object) -> None:
        headers = {**api.headers(), "x-request-id": name}
        await api.client.post(path, json=document, headers=headers)

    await ask("whole", "/v1/chat/completions", CHAT)
    await ask("stream", "/v1/chat/completions", {**CHAT, "stream": True})
    await ask("unknown", "/v1/chat/completions", {**CHAT, "model": "nope"})
    await ask("away", "/v1/chat/completions", {**CHAT, "model": "gone"})
    # Neither of these leaves a record: nobody is known who could have asked, and no model is asked.
    await api.client.post("/v1/chat/completions", json=CHAT)
    await api.get("/v1/models")
    found = await ledger(database_url, 4)
    whole, stream = found["whole"], found["stream"]
    assert (whole["outcome"], whole["status"], whole["streamed"]) == ("success", 200, False)
    assert (whole["model"], whole["upstream"], whole["stack"]) == ("org/chatty", "engine", "stable")
    assert (whole["prompt_tokens"], whole["completion_tokens"]) == (3, 3)
    assert str(whole["key_id"]).startswith("key_")
    assert (stream["content_chunks"], stream["ending"], stream["streamed"]) == (3, "complete", True)
    assert 0 < float(str(stream["first_token_seconds"])) <= float(str(stream["seconds"]))
    assert (found["unknown"]["outcome"], found["unknown"]["error_code"]) == (
        "client_error",
        "model_not_found",
    )
    assert (found["away"]["outcome"], found["away"]["upstream"]) == ("upstream_error", "away")


async def test_a_client_that_leaves_is_charged_for_what_it_got(
    api: RunningApi, engine: ScriptedEngine, database_url: str
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.token("one")
        await exchange.token(" two")
        await exchange.caller_gone()

    engine.script = script
    async with api.client.stream(
        "POST", "/v1/chat/completions", json={**CHAT, "stream": True}, headers=api.headers()
    ) as response:
        async for piece in response.aiter_bytes():
            if b"two" in piece:
                break
    [record] = (await ledger(database_url, 1)).values()
    assert (record["outcome"], record["ending"]) == ("client_abort", "truncated")
    assert (record["completion_tokens"], record["content_chunks"]) == (None, 2)


async def test_whoever_has_the_end_of_a_stream_finds_it_in_the_ledger(
    config_file: Path, engine: ScriptedEngine
) -> None:
    key = await create_key(load_configuration(config_file), scopes=(Scope.INFERENCE,))
    body = json.dumps({**CHAT, "stream": True}).encode()

    def ask(url: str, name: str) -> list[bytes]:
        """Return the ends that the ledger has at once when the stream has ended."""
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
            f"Authorization: Bearer {key.secret}\r\nX-Request-Id: {name}\r\n\r\n"
        )
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), 60) as client:
            client.sendall(head.encode() + body)
            stream = b""
            while not stream.endswith(b"0\r\n\r\n"):
                stream += client.recv(65536)
        state = config_file.parent / ".querylake" / "state" / "usage"
        [spool] = state.glob("*.spool")
        frames = decode(spool.read_bytes()).frames
        return [frame.payload for frame in frames if frame.kind is Kind.END]

    async with serve_process(config_file, "--port", "0") as server:
        for number in range(20):
            *_, last = await asyncio.to_thread(ask, server.url, f"stream-{number}")
            record = json.loads(last)
            assert (record["request_id"], record["outcome"]) == (f"stream-{number}", "success")
            assert record["completion_tokens"] == 3


async def test_what_comes_while_records_are_shipped_is_shipped_the_next_time(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(asyncpg_url(database_url))
    ledger = Ledger(database, tmp_path / "usage", Metrics(tmp_path, 0), max_bytes=1 << 20)
    inserted: list[int] = []

    def end(name: str) -> None:
        ledger.finished(finished_request(request_id=name))

    async def insert(to: Database, entries: list[bytes]) -> Insertion:
        inserted.append(len(entries))
        end(f"meanwhile-{len(inserted)}")  # as there always is one, under load
        return await insert_entries(to, entries)

    monkeypatch.setattr("querylake_api.usage.ledger.insert_entries", insert)
    try:
        for name in ("one", "two"):
            end(name)
        await ledger.ship()
        assert inserted == [2]
        assert ledger.state().waiting_bytes > 0
        assert ledger.state().oldest_wait_seconds > 0
        await ledger.ship()
        assert inserted == [2, 1]
        monkeypatch.undo()
        await ledger.close()
        assert [record["request_id"] for record in await records(database_url)] == [
            *("one", "two", "meanwhile-1", "meanwhile-2")
        ]
        assert ledger.state().oldest_wait_seconds == 0
    finally:
        await database.close()


async def told(api: RunningApi, words: bytes) -> None:
    """Wait until the log says something."""
    await eventually(lambda: words in api.log.getvalue())


async def test_the_database_goes_away_under_load(
    config_file: Path, engine: ScriptedEngine, postgres: TestPostgres, database_url: str
) -> None:
    async with running_api(config_file) as api:
        traffic = Traffic(api.url, api.headers())
        async with traffic.running(clients=4):
            await traffic.reaches(50)
            await postgres.set_reachable(database_url, False)
            away = len(traffic.answered)
            await traffic.reaches(away + 100)
            await told(api, b"usage records wait on disk")
            await postgres.set_reachable(database_url, True)
            await traffic.reaches(away + 150)
        assert traffic.other == {}, "no client notices"
        served = {request.headers["x-request-id"] for request in engine.requests}
        found = await recorded(database_url, lambda found: served <= set(ids(found)))
    assert len(found) == len(set(ids(found)))
    # Those whose clients left before an engine was asked are in the ledger all the same.
    unserved = [record for record in found if record["request_id"] not in served]
    assert {record["outcome"] for record in unserved} <= {"client_abort"}
    assert traffic.answered <= {
        str(record["request_id"]) for record in found if record["outcome"] == "success"
    }
    # Everything is in the database, so nothing is left on disk.
    state = config_file.parent / ".querylake" / "state" / "usage"
    assert not list(state.glob("*.spool"))


async def test_the_database_is_away_when_the_process_ends(
    config_file: Path, postgres: TestPostgres, database_url: str
) -> None:
    async with running_api(config_file) as api:
        # The key is known from now on.
        assert (await api.post("/v1/chat/completions", CHAT)).status_code == 200
        await ledger(database_url, 1)
        await postgres.set_reachable(database_url, False)
        for _ in range(3):
            assert (await api.post("/v1/chat/completions", CHAT)).status_code == 200
    state = config_file.parent / ".querylake" / "state" / "usage"
    assert len(list(state.glob("*.spool"))) == 1
    await postgres.set_reachable(database_url, True)
    async with running_api(config_file):
        found = await ledger(database_url, 4)
    assert {record["outcome"] for record in found.values()} == {"success"}


def entry(entry_id: str, **changes: Any) -> bytes:
    return end_entry(entry_id, finished_request(**changes))


async def test_entries_are_inserted_once_and_bad_ones_keep_no_other_out(database_url: str) -> None:
    source = EntryIds()
    names = [source.next() for _ in range(9)]
    entries = [entry(name) for name in names]
    bad = [
        entry(names[2], status=2**40),  # out of the column's range
        entry(names[5], error_code="\0"),  # PostgreSQL has no such character
        entry(names[7], key_id=None),
    ]
    database = Database(asyncpg_url(database_url))
    try:
        mixed = [
            bad[0] if i == 2 else bad[1] if i == 5 else bad[2] if i == 7 else each
            for i, each in enumerate(entries)
        ]
        assert await insert_entries(database, mixed) == Insertion(6, bad)
        assert len(await records(database_url)) == 6
        assert await insert_entries(database, entries) == Insertion(3, [])
        assert await insert_entries(database, entries) == Insertion(0, [])
    finally:
        await database.close()
    assert len(await records(database_url)) == 9


async def test_token_counts_of_any_size_count(database_url: str) -> None:
    source = EntryIds()
    counts = [3_000_000_000, 2**63 - 1, 2**64 - 1, None]
    entries = [entry(source.next(), prompt_tokens=count) for count in counts]
    database = Database(asyncpg_url(database_url))
    assert await insert_entries(database, entries) == Insertion(4, [])
    await database.close()
    found = {record["prompt_tokens"] for record in await records(database_url)}
    assert found == {3_000_000_000, 2**63 - 1, None}


@pytest.mark.parametrize("end_first", [True, False])
async def test_an_end_takes_the_place_of_the_same_request_lost(
    database_url: str, end_first: bool
) -> None:
    ids = EntryIds()
    entry_id = ids.next()
    record = finished_request(completion_tokens=3)
    lost = lost_entry(begin_entry(entry_id, record.identity, record.workload, record.engines))
    end = end_entry(entry_id, record)
    database = Database(asyncpg_url(database_url))
    try:
        for entry in (end, lost, end) if end_first else (lost, end, lost):
            await insert_entries(database, [entry])
        # An engine may have been asked twice by the same process too.
        assert await insert_entries(database, [end, end]) == Insertion(0, [])
    finally:
        await database.close()
    [kept] = await records(database_url)
    assert (kept["outcome"], kept["status"], kept["completion_tokens"]) == ("success", 200, 3)


@pytest.mark.parametrize(
    ("question", "index"),
    [
        ("key_id = 'k' AND began_at > now() - interval '1 day'", "ix_usage_records_key_id"),
        ("model = 'm' AND began_at > now() - interval '1 day'", "ix_usage_records_model"),
        ("began_at < now() - interval '90 days'", "ix_usage_records_began_at"),
    ],
)
async def test_questions_find_their_index(database_url: str, question: str, index: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("SET enable_seqscan = off")
        await connection.execute("SET enable_bitmapscan = off")
        plan = await connection.fetch(f"EXPLAIN SELECT * FROM usage_records WHERE {question}")
    finally:
        await connection.close()
    assert any(index in line[0] for line in plan)
