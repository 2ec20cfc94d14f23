"""The connection pool, and the one way through which the rest of the package reaches PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg  # type: ignore[import-untyped]  # ships none
from sqlalchemy import URL, NullPool, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from querylake_api.configuration.loading import Configuration
from querylake_api.event_loop.background import in_background
from querylake_api.persistence.embedded import EmbeddedPostgres
from querylake_api.persistence.errors import (
    CONNECT_SECONDS,
    CONNECTION_FAILURES,
    DatabaseUnavailable,
    ValueRefused,
    reason_of,
    refused_value,
)
from querylake_api.persistence.location import EMBEDDED_DATABASE, asyncpg_url, shown
from querylake_api.persistence.lookout import Lookout
from querylake_api.persistence.notices import Notices

STATEMENT_SECONDS = 10.0
"""No statement waits longer than this: a host that vanished looks like one that is thinking."""

POOL_SIZE = 5


class Database:
    """A pool of connections, with failures told apart from mistakes.

    Attributes:
        notices: of what changes in it, heard once the lookout has been used.
        lookout: for looks that are repeated all the time, beside the pool.
        heartbeat: likewise, for what each process asks and says once a second. What is late there
            does not hold up what must be seen at once.
        delivery: likewise, for what is brought to it all the time and takes longer than a look.
    """

    def __init__(self, url: URL, *, statement_seconds: float | None = STATEMENT_SECONDS) -> None:
        self.url = url
        self.where = shown(url)
        connecting = {"timeout": CONNECT_SECONDS, "command_timeout": statement_seconds}
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=POOL_SIZE,
            pool_timeout=CONNECT_SECONDS,
            pool_pre_ping=True,
            connect_args=connecting,
        )
        single = create_async_engine(
            url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=connecting
        )
        self.notices = Notices()
        self.lookout = Lookout(single, self.where, self.notices)
        self.heartbeat = Lookout(single, self.where)
        self.delivery = Lookout(single, self.where)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection inside a transaction that commits on leaving.

        Raises:
            DatabaseUnavailable: no connection, or it broke. `IntegrityError` passes through.
            ValueRefused: a statement holds a value that PostgreSQL cannot take.
        """
        try:
            async with self.engine.begin() as connection:
                yield connection
        except IntegrityError:
            raise
        except CONNECTION_FAILURES as error:
            refused = refused_value(error)
            if refused is not None:
                raise ValueRefused(refused) from error
            raise DatabaseUnavailable(self.where, reason_of(error)) from error

    async def ping(self) -> None:
        """Prove that the database answers. Raises `DatabaseUnavailable`."""
        async with self.begin() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close every connection."""
        await self.lookout.close()
        await self.heartbeat.close()
        await self.delivery.close()
        await self.engine.dispose()


@asynccontextmanager
async def open_database(configuration: Configuration) -> AsyncIterator[Database]:
    """Give the configured database, running PostgreSQL for it if it is an embedded one.

    Raises:
        EmbeddedPostgresFailed: the embedded server does not start.
        DatabaseError: the URL is no use.
    """
    folder = configuration.embedded_folder()
    if folder is None:
        database = Database(asyncpg_url(configuration.settings.database.url.get_secret_value()))
        try:
            yield database
        finally:
            await database.close()
        return
    server = EmbeddedPostgres(folder)
    maintenance = await asyncio.to_thread(server.start)
    try:
        await _ensure_database(maintenance)
        database = Database(
            asyncpg_url(maintenance.set(database=EMBEDDED_DATABASE).render_as_string())
        )
        try:
            async with in_background({"the look at PostgreSQL": server.keep_running}):
                yield database
        finally:
            await database.close()
    finally:
        await asyncio.to_thread(server.stop)


async def _ensure_database(maintenance: URL) -> None:
    connection = await asyncpg.connect(maintenance.render_as_string(), timeout=CONNECT_SECONDS)
    try:
        found = await connection.fetchval(
            "SELECT 1 FROM pg_database WHERE datname = $1", EMBEDDED_DATABASE
        )
        if not found:
            await connection.execute(f'CREATE DATABASE "{EMBEDDED_DATABASE}"')
    except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
        pass  # another process was first
    finally:
        await connection.close()
