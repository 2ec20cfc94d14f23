"""Looks at the database outlive the connection they are made over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # ships none
import pytest
from sqlalchemy import URL, text

from querylake_api.persistence.database import Database
from querylake_api.persistence.errors import DatabaseUnavailable
from querylake_api.persistence.location import asyncpg_url
from querylake_api_testing.databases import TestPostgres

OURS = "SELECT pg_backend_pid()"

FAREWELL = b"X\0\0\0\4"
"""With which a client ends a connection; it waits for the server's end of it then."""


class EndsWithheld:
    """Stands before a PostgreSQL and passes everything on but the end of a connection.

    A client thus stays for as long as a test likes in the moment between the server's last words
    and its hanging up.
    """

    def __init__(self, socket_path: Path) -> None:
        self._socket_path = socket_path
        self._writers: list[asyncio.StreamWriter] = []
        self.ended = asyncio.Event()

    @asynccontextmanager
    async def listening(self, folder: Path) -> AsyncIterator[None]:
        """Listen in a folder, under the name that PostgreSQL's socket has there."""
        server = await asyncio.start_unix_server(self._relay, folder / self._socket_path.name)
        try:
            yield
        finally:
            server.close()
            for writer in self._writers:
                writer.close()

    async def _relay(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_unix_connection(self._socket_path)
        self._writers += [to_client, to_server]
        asked = asyncio.create_task(self._pass_on(client, to_server))
        await self._pass_on(server, to_client)
        self.ended.set()
        await asked
        to_client.close()

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while piece := await source.read(65536):
            sink.write(piece)
            if piece.endswith(FAREWELL):
                return


@pytest.fixture()
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(asyncpg_url(database_url))
    yield database
    await database.close()


async def test_a_look_survives_the_end_of_its_connection(database: Database) -> None:
    ours = text(OURS)
    before = (await database.lookout.look(ours))[0][0]
    assert (await database.lookout.look(ours))[0][0] == before
    async with database.begin() as connection:
        await connection.execute(text(_end_of(before)))
    assert (await database.lookout.look(ours))[0][0] != before


async def test_a_look_that_was_cancelled_leaves_nothing_for_the_next(database: Database) -> None:
    await database.lookout.look(text("SELECT 1"))
    slow = asyncio.create_task(database.lookout.look(text("SELECT pg_sleep(30)")))
    await asyncio.sleep(0)
    slow.cancel()
    assert (await database.lookout.look(text("SELECT 2")))[0][0] == 2


@pytest.mark.parametrize("way", ["look", "glance"])
async def test_a_look_between_a_servers_last_words_and_its_hanging_up(
    way: str, database_url: str, postgres: TestPostgres, tmp_path: Path
) -> None:
    async with _withheld(database_url, tmp_path) as (relay, url):
        database = Database(url)
        before = await _ours(database, way)
        await postgres.execute(database_url, _end_of(before))
        await relay.ended.wait()
        await _all_read(url)
        assert await _ours(database, way) != before
        await database.close()


async def test_a_server_that_is_going_away_is_one_that_does_not_answer(
    database_url: str, postgres: TestPostgres, tmp_path: Path
) -> None:
    async with _withheld(database_url, tmp_path) as (relay, url):
        database = Database(url)

        async def interrupted() -> None:
            async with database.begin() as connection:
                before = (await connection.execute(text(OURS))).scalar_one()
                await postgres.execute(database_url, _end_of(before))
                await relay.ended.wait()
                await _all_read(url)
                await connection.execute(text(OURS))

        with pytest.raises(DatabaseUnavailable):
            await interrupted()
        await database.close()


@asynccontextmanager
async def _withheld(database_url: str, folder: Path) -> AsyncIterator[tuple[EndsWithheld, URL]]:
    url = asyncpg_url(database_url)
    relay = EndsWithheld(Path(str(url.query["host"])) / f".s.PGSQL.{url.query['port']}")
    async with relay.listening(folder):
        yield relay, url.update_query_dict({"host": str(folder)})


def _end_of(process: int) -> str:
    return f"SELECT pg_terminate_backend({process}, 60000)"


async def _ours(database: Database, way: str) -> int:
    if way == "glance":
        return int((await database.lookout.glance(OURS))[0][0])
    return int((await database.lookout.look(text(OURS)))[0][0])


async def _all_read(url: URL) -> None:
    """Make a whole connection, through the same loop: what was sent before has been read then."""
    connection = await asyncpg.connect(url.set(drivername="postgresql").render_as_string())
    connection.terminate()
