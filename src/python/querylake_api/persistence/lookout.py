"""Small statements that are repeated all the time, several times a second."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import asyncpg  # type: ignore[import-untyped]  # ships none
from sqlalchemy import ClauseElement, Executable, Row
from sqlalchemy.dialects import registry
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from querylake_api.persistence.errors import CONNECTION_FAILURES, DatabaseUnavailable, reason_of
from querylake_api.persistence.notices import Notices

T = TypeVar("T")
_Ask = Callable[[AsyncConnection, asyncpg.Connection], Awaitable[T]]


def spelt(query: ClauseElement) -> str:
    """Return a query without parameters as PostgreSQL reads it."""
    return str(query.compile(dialect=registry.load("postgresql.asyncpg")()))


class Lookout:
    """Keeps a connection for small statements, and opens no transaction around them.

    To take one from a pool, ask whether it still lives, begin, look and commit costs four times as
    much, and that is most of what a server does that nobody uses. A connection that has died is
    noticed by the look itself, which is then made again.

    Args:
        engine: without a pool, in autocommit.
        where: the database, for errors.
        notices: are heard over the connection, too.
    """

    def __init__(self, engine: AsyncEngine, where: str, notices: Notices | None = None) -> None:
        self._engine = engine
        self._where = where
        self._notices = notices
        self._connection: AsyncConnection | None = None
        self._driver: asyncpg.Connection = None
        self._lock = asyncio.Lock()

    async def look(
        self, query: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Row[Any]]:
        """Return the rows of a statement that waits for nobody, and that may be made twice.

        Args:
            query: best made once for all times: to put it together costs more than the look.

        Raises:
            DatabaseUnavailable: no connection, or it broke.
        """

        async def ask(connection: AsyncConnection, _: asyncpg.Connection) -> Sequence[Row[Any]]:
            return (await connection.execute(query, parameters)).all()

        return await self._answer(ask)

    async def glance(self, statement: str) -> Sequence[asyncpg.Record]:
        """Return the rows of a statement without parameters; otherwise as `look`.

        For what is asked several times a second: past SQLAlchemy it costs a third. Rows are as the
        driver has them, which is right for numbers and texts.

        Args:
            statement: see `spelt`.

        Raises:
            DatabaseUnavailable: no connection, or it broke.
        """

        async def ask(_: AsyncConnection, driver: asyncpg.Connection) -> list[asyncpg.Record]:
            found: list[asyncpg.Record] = await driver.fetch(statement)
            return found

        return await self._answer(ask)

    async def close(self) -> None:
        """Close the connection."""
        await self._drop()
        await self._engine.dispose()

    async def _answer(self, ask: _Ask[T]) -> T:
        async with self._lock:
            kept = self._connection is not None
            try:
                return await self._asked(ask)
            except CONNECTION_FAILURES as error:
                if not kept:
                    raise DatabaseUnavailable(self._where, reason_of(error)) from error
            try:
                return await self._asked(ask)
            except CONNECTION_FAILURES as error:
                raise DatabaseUnavailable(self._where, reason_of(error)) from error

    async def _asked(self, ask: _Ask[T]) -> T:
        try:
            if self._connection is None:
                self._connection = await self._engine.connect()
                self._driver = (await self._connection.get_raw_connection()).driver_connection
                if self._notices is not None:
                    await self._notices.listen(self._driver)
            return await ask(self._connection, self._driver)
        except BaseException:
            # Also when cancelled: an answer may still come that belongs to nobody.
            await self._drop()
            raise

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*CONNECTION_FAILURES):
                await connection.invalidate()
            with suppress(*CONNECTION_FAILURES):
                await connection.close()
