"""Small statements that are repeated all the time, several times a second."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import Executable, Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from querylake_api.persistence.errors import CONNECTION_FAILURES, DatabaseUnavailable, reason_of


class Lookout:
    """Keeps a connection for small statements, and opens no transaction around them.

    To take one from a pool, ask whether it still lives, begin, look and commit costs four times as
    much, and that is most of what a server does that nobody uses. A connection that has died is
    noticed by the look itself, which is then made again.

    Args:
        engine: without a pool, in autocommit.
        where: the database, for errors.
    """

    def __init__(self, engine: AsyncEngine, where: str) -> None:
        self._engine = engine
        self._where = where
        self._connection: AsyncConnection | None = None
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
        async with self._lock:
            kept = self._connection is not None
            try:
                return await self._look(query, parameters)
            except CONNECTION_FAILURES as error:
                if not kept:
                    raise DatabaseUnavailable(self._where, reason_of(error)) from error
            try:
                return await self._look(query, parameters)
            except CONNECTION_FAILURES as error:
                raise DatabaseUnavailable(self._where, reason_of(error)) from error

    async def close(self) -> None:
        """Close the connection."""
        await self._drop()
        await self._engine.dispose()

    async def _look(
        self, query: Executable, parameters: Mapping[str, Any] | None
    ) -> Sequence[Row[Any]]:
        try:
            if self._connection is None:
                self._connection = await self._engine.connect()
            return (await self._connection.execute(query, parameters)).all()
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
