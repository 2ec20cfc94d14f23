"""Requests that are recorded: of whom, sealed, bounded, deletable, and nothing of them in logs."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # ships none
import pytest

from llm_provider_testing.scripted_engine import scripted_engine
from querylake_api.configuration.loading import ConfigurationError, load_configuration
from querylake_api.parity.repository import ParityRepository, SealedRequest, new_id
from querylake_api.parity.sealing import Seal, SealBroken
from querylake_api.persistence.database import Database
from querylake_api.persistence.location import asyncpg_url
from querylake_api_testing.rollout_stage import stage_config
from querylake_api_testing.running import RunningApi, running_api

KEY = base64.b64encode(bytes(range(32))).decode()
SECRET = "the launch code is 7F3A"
CHAT = {"model": "chatty", "messages": [{"role": "user", "content": SECRET}]}
RECORDING = '\n[parity.corpus]\nmodels = ["chatty"]\nshare = 1.0\n'


def config_with(folder: Path, database: str, engine: str, more: str = RECORDING) -> Path:
    config = stage_config(folder, database, engine, engine)
    config.write_text(config.read_text() + more)
    return config


async def stored(api: RunningApi, count: int) -> list[dict[str, object]]:
    """Return what is recorded by key and model, once there is so much."""
    while True:
        answer = await api.get("/admin/parity/corpus", key=api.admin_key)
        parts: list[dict[str, object]] = answer.json()["data"]
        if sum(int(str(part["requests"])) for part in parts) >= count:
            return parts


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUERYLAKE_CORPUS_KEY", KEY)


async def test_requests_are_recorded_sealed_read_and_deleted(
    tmp_path: Path, database_url: str
) -> None:
    async with (
        scripted_engine() as engine,
        running_api(config_with(tmp_path, database_url, engine.url)) as api,
    ):
        for _ in range(3):
            assert (await api.post("/v1/chat/completions", CHAT)).status_code == 200
        [part] = await stored(api, 3)
        assert (part["model"], part["requests"]) == ("chatty", 3)

        connection = await asyncpg.connect(database_url)
        rows = await connection.fetch("SELECT * FROM parity_corpus")
        await connection.close()
        assert len(rows) == 3
        assert len({row["sealed"] for row in rows}) == 3
        assert not any(SECRET.encode() in row["sealed"] for row in rows)

        told = await api.get("/admin/parity/corpus/requests?limit=2", key=api.admin_key)
        assert told.headers["content-type"] == "application/x-ndjson"
        assert [json.loads(line) for line in told.text.splitlines()] == [CHAT, CHAT]
        assert (await api.get("/admin/parity/corpus/requests")).status_code == 403

        gone = await api.client.delete(
            f"/admin/parity/corpus?key={part['key_id']}", headers=api.headers(api.admin_key)
        )
        assert gone.json() == {"deleted": 3}
        assert await stored(api, 0) == []
        assert not any(SECRET in json.dumps(line) for line in api.log_lines())


async def test_of_whoever_has_not_agreed_nothing_is_recorded(
    tmp_path: Path, database_url: str
) -> None:
    mine = '\n[parity.corpus]\nkeys = ["key_of_somebody_else"]\nshare = 1.0\n'
    async with (
        scripted_engine() as engine,
        running_api(config_with(tmp_path, database_url, engine.url, mine)) as api,
    ):
        assert (await api.post("/v1/chat/completions", CHAT)).status_code == 200
        # The flush that would have stored it has run by the time a later row is seen.
        database = Database(asyncpg_url(database_url))
        repository = ParityRepository(database)
        await repository.add_requests(
            [SealedRequest(new_id(), "k", "m", "/v1/chat/completions", b"x" * 20)]
        )
        assert [part["key_id"] for part in await stored(api, 1)] == ["k"]
        # Not sealed by this key: left out, and no error.
        told = await api.get("/admin/parity/corpus/requests", key=api.admin_key)
        assert (told.status_code, told.text) == (200, "")
        await database.close()


async def test_the_oldest_goes_first_and_the_old_goes_by_itself(database_url: str) -> None:
    database = Database(asyncpg_url(database_url))
    repository = ParityRepository(database)
    requests = [SealedRequest(new_id(), f"k{number}", "m", "r", b"x" * 100) for number in range(5)]
    connection = await asyncpg.connect(database_url)
    for days, request in enumerate(requests):
        await repository.add_requests([request])
        await connection.execute(
            "UPDATE parity_corpus SET recorded_at = now() - make_interval(days => $1) "
            "WHERE id = $2",
            days,
            request.id,
        )
    await connection.close()
    await repository.prune(max_bytes=10_000, max_days=3.5)
    assert [count.key_id for count in await repository.counts()] == ["k0", "k1", "k2", "k3"]
    await repository.prune(max_bytes=250, max_days=3.5)
    assert [count.key_id for count in await repository.counts()] == ["k0", "k1"]
    await database.close()


def test_a_text_opens_only_with_its_key_and_for_what_it_is_about() -> None:
    seal = Seal(bytes(32))
    sealed = seal.seal(b"text", "about")
    assert seal.open(sealed, "about") == b"text"
    for other, about, text in (
        (Seal(bytes([1] * 32)), "about", sealed),
        (seal, "something else", sealed),
        (seal, "about", sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (seal, "about", b"short"),
    ):
        with pytest.raises(SealBroken):
            other.open(text, about)


@pytest.mark.parametrize(
    ("key", "more", "says"),
    [
        (None, RECORDING, "QUERYLAKE_CORPUS_KEY is not set"),
        ("not base64!", RECORDING, "is no base64"),
        (base64.b64encode(b"short").decode(), RECORDING, "holds 5 bytes, 32 are needed"),
        (KEY, "\n[parity.corpus]\nshare = 1.0\n", "name the `keys` or the `models`"),
        (KEY, '\n[parity.corpus]\nmodels = ["chaty"]\n', "did you mean"),
    ],
)
def test_a_corpus_that_cannot_be_kept_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str | None, more: str, says: str
) -> None:
    if key is None:
        monkeypatch.delenv("QUERYLAKE_CORPUS_KEY")
    else:
        monkeypatch.setenv("QUERYLAKE_CORPUS_KEY", key)
    config = config_with(tmp_path, "postgresql://u@127.0.0.1/x", "http://127.0.0.1:9/v1", more)
    with pytest.raises(ConfigurationError, match=says):
        load_configuration(config)
