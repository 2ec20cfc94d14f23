"""Word from the database that something in it has changed: PostgreSQL's LISTEN and NOTIFY.

It comes at once and costs nothing while nothing happens, but it is not certain to come: not after a
connection was lost, and not through a pooler that shares connections. Whoever must know looks for
themselves, too, only less often.

https://www.postgresql.org/docs/current/sql-notify.html
"""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # ships none

CHANNEL = "querylake_changes"

KEYS = "keys"
ROLLOUTS = "rollouts"


class Notices:
    """Wakes those who follow what a notice is about."""

    def __init__(self) -> None:
        self._followers: dict[str, list[asyncio.Event]] = {}

    def about(self, subject: str) -> asyncio.Event:
        """Return what is set with every notice about a subject from now on."""
        hurry = asyncio.Event()
        self._followers.setdefault(subject, []).append(hurry)
        return hurry

    async def listen(self, connection: asyncpg.Connection) -> None:
        """Take the notices that come over a connection, for as long as it lives."""
        await connection.add_listener(CHANNEL, self._heard)

    def _heard(self, connection: Any, process: int, channel: str, subject: str) -> None:
        for hurry in self._followers.get(subject, ()):
            hurry.set()
