"""Bringing the tables to the newest form, from inside the package, without an ini file."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from querylake_api.persistence.database import Database
from querylake_api.persistence.errors import NoWayBack, SchemaOutdated, SchemaTooNew
from querylake_api.persistence.location import shown

MIGRATIONS = Path(__file__).with_name("migrations")

OLDEST_WAY_BACK = "0006"
"""Steps back beyond this remove tables with what is in them."""

# Any constant will do, as long as every QueryLake process takes the same one.
_ADVISORY_LOCK = 0x71756572796C616B


def newest_revision() -> str:
    """Return the revision that this version of the package works with."""
    head = _scripts().get_current_head()
    if head is None:
        raise RuntimeError(f"no migrations in {MIGRATIONS}: the package was built without them")
    return head


async def migrate(database: Database) -> str:
    """Upgrade the schema. Safe when several processes start at once: one works, the others wait.

    Returns:
        The revision that the database is now at.

    Raises:
        DatabaseUnavailable: the database does not answer.
        SchemaTooNew: a newer QueryLake has been here.
    """
    newest = newest_revision()
    # A migration, or waiting for another process's, may take longer than any other statement.
    patient = Database(database.url, statement_seconds=None)
    try:
        async with patient.begin() as connection:
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
            # Asked under the lock: another process may have brought it up just now. Alembic would
            # find out by itself, and load and run its environment for that at every start.
            if await schema_revision(connection) != newest:
                await connection.run_sync(_upgrade)
    finally:
        await patient.close()
    return newest


async def schema_revision(connection: AsyncConnection) -> str | None:
    """Return the revision that a database is at, None if it has no tables.

    Raises:
        SchemaTooNew: this version does not know it.
    """
    revision = await connection.run_sync(
        lambda sync: MigrationContext.configure(sync).get_current_revision()
    )
    if revision is not None:
        try:
            _scripts().get_revision(revision)
        except CommandError as error:
            raise SchemaTooNew(shown(connection.engine.url), revision, newest_revision()) from error
    return revision


async def go_back(database: Database, revision: str) -> None:
    """Bring the schema back to an older form, for an older version. No server may run meanwhile.

    Raises:
        NoWayBack: this version does not know the revision, or data would be lost.
        DatabaseUnavailable: the database does not answer.
        SchemaTooNew: a newer QueryLake has been here.
    """
    known = [each.revision for each in _scripts().walk_revisions()]
    ways_back = [each for each in reversed(known) if each >= OLDEST_WAY_BACK]
    if revision not in ways_back:
        raise NoWayBack(revision, ways_back)
    patient = Database(database.url, statement_seconds=None)
    try:
        async with patient.begin() as connection:
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
            await schema_revision(connection)
            await connection.run_sync(lambda sync: _downgrade(sync, revision))
    finally:
        await patient.close()


async def require_schema(database: Database) -> None:
    """Create the schema in an empty database, and refuse one of another version.

    A command must not change the schema under the feet of servers that run an older version.

    Raises:
        SchemaOutdated: `serve` or `migrate` has to bring it up first.
        SchemaTooNew: a newer QueryLake has been here.
    """
    async with database.begin() as connection:
        revision = await schema_revision(connection)
    if revision is None:
        await migrate(database)
    elif revision != newest_revision():
        raise SchemaOutdated(database.where, revision, newest_revision())


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _downgrade(connection: Connection, revision: str) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.downgrade(config, revision)


@cache
def _scripts() -> ScriptDirectory:
    """Return the migrations, which Alembic reads and runs as modules: once for a process."""
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    # Alembic reads `%` in option values as interpolation.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
