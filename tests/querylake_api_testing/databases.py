"""One PostgreSQL for a whole test run, and in it a fresh database for each test."""

from __future__ import annotations

import itertools
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # ships none
from sqlalchemy import URL

from querylake_api.persistence.database import Database
from querylake_api.persistence.embedded import EmbeddedPostgres
from querylake_api.persistence.errors import EmbeddedPostgresFailed
from querylake_api.persistence.location import asyncpg_url
from querylake_api.persistence.migrate import migrate
from querylake_api.persistence.postmaster import find_postmaster

_TEMPLATE = "migrated_template"
_numbers = itertools.count()

RESTARTS = 90


@contextmanager
def database_folder() -> Iterator[Path]:
    """Give a folder that an embedded PostgreSQL can be in.

    pytest's own folders will not do for root, under whom PostgreSQL runs as another user: every
    test run that starts takes away others' access to those of the runs that go on.
    """
    with tempfile.TemporaryDirectory(prefix="querylake-") as folder:
        yield Path(folder)


@contextmanager
def frozen(folder: Path) -> Iterator[None]:
    """Stop all processes of a PostgreSQL, as a machine that swaps or a disk that hangs does."""
    server = find_postmaster(folder)
    assert server is not None
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    pids = [server.pid, *map(int, children)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


class TestPostgres:
    """A running server that hands out databases."""

    __test__ = False

    def __init__(self, folder: Path) -> None:
        self._server = EmbeddedPostgres(folder)
        self._maintenance = self._server.start()
        self._template_ready = False

    def stop(self) -> None:
        """Stop the server."""
        self._server.stop()

    def crash(self) -> None:
        """Kill the server, so that it must recover when it starts again."""
        process = (self._server.folder / "postmaster.pid").read_text().split("\n", 1)[0]
        os.kill(int(process), signal.SIGKILL)
        while Path("/proc", process).exists():
            time.sleep(0.01)

    def restart(self) -> None:
        """Start the server again after a crash, once its last processes have noticed it."""
        for _ in range(RESTARTS):
            try:
                self._server.start()
            except EmbeddedPostgresFailed:
                time.sleep(1)
            else:
                return
        raise AssertionError(f"PostgreSQL did not start again in {self._server.folder}")

    @asynccontextmanager
    async def database(self, *, migrated: bool = True) -> AsyncIterator[str]:
        """Give the URL of a database that nobody has used, and drop it afterwards."""
        if migrated and not self._template_ready:
            await self._make_template()
        name = f"test_{os.getpid()}_{next(_numbers)}"
        template = f' TEMPLATE "{_TEMPLATE}"' if migrated else ""
        await self._execute(f'CREATE DATABASE "{name}"{template}')
        try:
            yield self._url(name).render_as_string()
        finally:
            await self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    async def execute(self, url: str, statement: str) -> None:
        """Run a statement in a database that was handed out."""
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def set_reachable(self, url: str, reachable: bool) -> None:
        """Take a database away from its clients at once, or give it back."""
        name = url.split("/")[3].split("?")[0]
        await self._execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {reachable}')
        if not reachable:
            await self._execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                f"WHERE datname = '{name}'"
            )

    async def _make_template(self) -> None:
        await self._execute(f'CREATE DATABASE "{_TEMPLATE}"')
        database = Database(asyncpg_url(self._url(_TEMPLATE).render_as_string()))
        await migrate(database)
        await database.close()
        self._template_ready = True

    def _url(self, name: str) -> URL:
        return self._maintenance.set(database=name)

    async def _execute(self, statement: str) -> None:
        await self.execute(self._maintenance.render_as_string(), statement)
