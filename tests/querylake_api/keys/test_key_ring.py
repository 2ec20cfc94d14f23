"""Keys in memory: fresh within a second, and good without the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import ColumnElement

from querylake_api.errors import ApiError
from querylake_api.event_loop.background import in_background
from querylake_api.keys.authentication import Authenticator
from querylake_api.keys.models import ApiKey, Scope
from querylake_api.keys.repository import KeyRepository, KeysVersion
from querylake_api.keys.ring import LOOK_UP_SECONDS, POLL_SECONDS, KeyRing
from querylake_api.keys.schemas import KeyChange, KeyRequest
from querylake_api.keys.secret import generate_key
from querylake_api.keys.service import KeyService
from querylake_api.persistence.database import Database
from querylake_api.persistence.errors import DatabaseUnavailable
from querylake_api.persistence.location import asyncpg_url
from querylake_api.persistence.notices import Notices
from querylake_api.settings import ModelSettings, TargetSettings
from querylake_api_testing.databases import TestPostgres
from querylake_api_testing.key_looks import KeyLooks
from waiting_testing.waiting import PATIENCE, eventually

MODELS = {
    "chatty": ModelSettings(
        capabilities=["chat"],
        aliases=["default"],
        targets=[TargetSettings(upstream="a", model="b")],
    )
}


@pytest.fixture()
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(asyncpg_url(database_url))
    yield opened
    await opened.close()


@pytest.fixture()
def elsewhere(database: Database) -> KeyService:
    """Give a service that works on the same keys as another process would."""
    return KeyService(KeyRepository(database), MODELS)


@pytest.fixture()
async def ring(database: Database) -> AsyncIterator[KeyRing]:
    ring = KeyRing(KeyRepository(database))
    await ring.refresh()
    following = asyncio.create_task(ring.follow())
    yield ring
    following.cancel()


def bearer(secret: str) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", b"Bearer " + secret.encode())]


async def refusal(ring: KeyRing, secret: str) -> ApiError:
    with pytest.raises(ApiError) as raised:
        await Authenticator(ring).authenticate(bearer(secret), Scope.INFERENCE)
    assert secret not in str(raised.value)
    return raised.value


async def forgotten(ring: KeyRing, secret: str) -> None:
    """Wait until a key is one of the ring's no more."""
    await eventually(lambda: ring.find(secret) is None)


async def test_a_key_made_elsewhere_works_at_once(ring: KeyRing, elsewhere: KeyService) -> None:
    new = await elsewhere.create(KeyRequest(name="n"))
    assert await Authenticator(ring).authenticate(bearer(new.secret), Scope.INFERENCE) == new.key


async def test_a_key_revoked_elsewhere_stops_working_within_a_second(
    ring: KeyRing, elsewhere: KeyService, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = await elsewhere.create(KeyRequest(name="n"))
    await ring.refresh()
    looks = KeyLooks(monkeypatch)
    await elsewhere.revoke(new.key.id)
    before = looks.begun
    await forgotten(ring, new.secret)
    assert looks.begun <= before + 1
    assert POLL_SECONDS <= 0.75, "which leaves a quarter of the second for the look itself"
    assert (await refusal(ring, new.secret)).code == "invalid_api_key"


@pytest.mark.parametrize("way", ["told", "found"])
async def test_a_change_elsewhere_is_told_and_would_be_found(
    database_url: str, elsewhere: KeyService, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "told":
        monkeypatch.setattr("querylake_api.keys.ring.POLL_SECONDS", 10 * PATIENCE)
    else:
        monkeypatch.setattr(Notices, "_heard", lambda *_: None)
    database = Database(asyncpg_url(database_url))
    ring = KeyRing(KeyRepository(database))
    new = await elsewhere.create(KeyRequest(name="n"))
    await ring.refresh()
    async with in_background({"keys": ring.follow}):
        await elsewhere.revoke(new.key.id)
        await forgotten(ring, new.secret)
    await database.close()


async def test_changes_made_by_hand_are_seen(
    ring: KeyRing, elsewhere: KeyService, postgres: TestPostgres, database_url: str
) -> None:
    new = await elsewhere.create(KeyRequest(name="n"))
    await ring.refresh()
    await postgres.execute(database_url, "DELETE FROM api_keys")
    await ring.refresh()
    assert ring.find(new.secret) is None


async def test_known_keys_work_without_the_database(
    ring: KeyRing, elsewhere: KeyService, postgres: TestPostgres, database_url: str
) -> None:
    known = await elsewhere.create(KeyRequest(name="n"))
    await ring.refresh()
    await postgres.set_reachable(database_url, False)
    with pytest.raises(DatabaseUnavailable):
        await ring.refresh()

    assert (
        await Authenticator(ring).authenticate(bearer(known.secret), Scope.INFERENCE) == known.key
    )
    unknown = await refusal(ring, generate_key())
    assert (unknown.status, unknown.code) == (503, "key_database_unavailable")
    assert unknown.headers["retry-after"]

    await postgres.set_reachable(database_url, True)
    await ring.refresh()
    assert (await refusal(ring, generate_key())).status == 401


async def test_unknown_keys_share_one_look_at_the_database(
    ring: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = KeyLooks(monkeypatch)
    refusals = await asyncio.gather(*(refusal(ring, generate_key()) for _ in range(50)))
    assert {each.status for each in refusals} == {401}
    assert looks.begun <= 3


async def test_expired_keys_say_so(ring: KeyRing, elsewhere: KeyService) -> None:
    new = await elsewhere.create(KeyRequest(name="n", expires_in_days=1e-9))
    error = await refusal(ring, new.secret)
    assert (error.status, error.code) == (401, "expired_api_key")


async def test_scopes_are_separate(ring: KeyRing, elsewhere: KeyService) -> None:
    new = await elsewhere.create(KeyRequest(name="n", scopes=[Scope.ADMIN]))
    error = await refusal(ring, new.secret)
    assert (error.status, error.code) == (403, "insufficient_scope")


async def test_no_key_and_an_absurd_key(ring: KeyRing) -> None:
    with pytest.raises(ApiError) as raised:
        await Authenticator(ring).authenticate([], Scope.INFERENCE)
    assert (raised.value.status, raised.value.code) == (401, "missing_api_key")
    assert (await refusal(ring, "x" * 10_000)).code == "invalid_api_key"


async def test_an_allow_list_takes_aliases_and_keeps_ids(elsewhere: KeyService) -> None:
    new = await elsewhere.create(KeyRequest(name="n", models=["default"]))
    assert new.key.models == frozenset({"chatty"})
    with pytest.raises(ApiError, match="No such model: 'nope'. The models are: chatty, default."):
        await elsewhere.create(KeyRequest(name="n", models=["nope"]))


async def test_pages_cover_every_key_once(elsewhere: KeyService) -> None:
    made = [(await elsewhere.create(KeyRequest(name=str(n)))).key for n in range(5)]
    await elsewhere.revoke(made[2].id)
    seen: list[str] = []
    after: str | None = None
    while page := await elsewhere.page(limit=2, after=after):
        seen += [key.name for key in page]
        after = page[-1].id
    assert seen == ["4", "3", "1", "0"]
    assert len(await elsewhere.page(limit=9, revoked=True)) == 5


async def test_the_text_of_a_key_is_not_stored(elsewhere: KeyService, database: Database) -> None:
    new = await elsewhere.create(KeyRequest(name="n"))
    async with database.begin() as connection:
        rows = (await connection.exec_driver_sql("SELECT * FROM api_keys")).all()
    assert new.secret not in str(rows)
    assert new.secret not in repr(new)


async def test_a_change_costs_what_it_changes(
    ring: KeyRing,
    elsewhere: KeyService,
    monkeypatch: pytest.MonkeyPatch,
    postgres: TestPostgres,
    database_url: str,
) -> None:
    many = (
        "INSERT INTO api_keys (id, name, hash, hint, scopes, created_at) "
        "SELECT 'many' || n, 'n', 'hash' || n, '', '{inference}', now() "
        "FROM generate_series(1, 2000) AS n"
    )
    await postgres.execute(database_url, many)
    await ring.refresh()
    read: list[str] = []
    hashed = KeyRepository._hashed

    async def counted(
        repository: KeyRepository, condition: ColumnElement[bool], after: str
    ) -> list[tuple[str, ApiKey]]:
        rows = await hashed(repository, condition, after)
        read.extend(key.id for _, key in rows)
        return rows

    monkeypatch.setattr(KeyRepository, "_hashed", counted)
    new = await elsewhere.create(KeyRequest(name="n"))
    await ring.refresh()
    assert read == [new.key.id]
    assert ring.find(new.secret) == new.key
    changed = await elsewhere.change(new.key.id, KeyChange(name="other"))
    await elsewhere.revoke("many7")
    await ring.refresh()
    assert ring.find(new.secret) == changed
    await elsewhere.revoke(new.key.id)
    await ring.refresh()
    assert ring.find(new.secret) is None
    assert set(read) == {new.key.id, "many7"}
    assert len(read) <= 6


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM api_keys",
        "TRUNCATE api_keys",
        "UPDATE api_keys SET hash = 'another'",
        # A failover to a server that had not seen the last changes, and has made others since.
        "UPDATE api_keys_generation SET value = 1; UPDATE api_keys SET revoked_at = now(); "
        "UPDATE api_keys_generation SET value = 1",
    ],
)
async def test_what_rows_do_not_show_is_seen(
    ring: KeyRing, elsewhere: KeyService, postgres: TestPostgres, database_url: str, change: str
) -> None:
    new = await elsewhere.create(KeyRequest(name="n"))
    await ring.refresh()
    await postgres.execute(database_url, change)
    await ring.refresh()
    assert ring.find(new.secret) is None


async def test_a_change_that_is_taken_back_changes_nothing(
    ring: KeyRing, elsewhere: KeyService, database: Database
) -> None:
    new = await elsewhere.create(KeyRequest(name="n"))
    async with database.begin() as connection:
        await connection.exec_driver_sql("UPDATE api_keys SET revoked_at = now()")
        await ring.refresh()
        await connection.rollback()
    await elsewhere.create(KeyRequest(name="later"))
    await ring.refresh()
    assert ring.find(new.secret) is not None


async def test_an_unknown_key_does_not_wait_for_a_database_that_hangs(
    ring: KeyRing, elsewhere: KeyService, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = await elsewhere.create(KeyRequest(name="n"))
    await ring.refresh()
    hanging = asyncio.Event()
    version = KeyRepository.version

    async def hangs(repository: KeyRepository) -> KeysVersion:
        await hanging.wait()
        return await version(repository)

    monkeypatch.setattr(KeyRepository, "version", hangs)
    assert LOOK_UP_SECONDS <= 4
    monkeypatch.setattr("querylake_api.keys.ring.LOOK_UP_SECONDS", 0.1)
    refusals = await asyncio.gather(*(refusal(ring, generate_key()) for _ in range(20)))
    assert {(each.status, each.code) for each in refusals} == {(503, "key_database_unavailable")}
    assert ring.find(known.secret) == known.key
    hanging.set()
    await eventually(lambda: ring.failure is None)
    assert (await refusal(ring, generate_key())).status == 401
