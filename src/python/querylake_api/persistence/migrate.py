"""Bringing the tables to the newest form, from inside the package."""

from __future__ import annotations

from sqlalchemy import Connection, text

from querylake_api.persistence.database import Database
from querylake_api.persistence.errors import NoWayBack, SchemaOutdated
from querylake_api.persistence.revision import newest_revision, revisions, schema_revision

OLDEST_WAY_BACK = "0006"
"""Steps back beyond this remove tables with what is in them."""

# Any constant will do, as long as every QueryLake process takes the same one.
_ADVISORY_LOCK = 0x71756572796C616B


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
            # Asked under the lock: another process may have brought it up just now.
            if await schema_revision(connection) != newest:
                await connection.run_sync(_upgrade)
    finally:
        await patient.close()
    return newest


async def go_back(database: Database, revision: str) -> None:
    """Bring the schema back to an older form, for an older version. No server may run meanwhile.

    Raises:
        NoWayBack: this version does not know the revision, or data would be lost.
        DatabaseUnavailable: the database does not answer.
        SchemaTooNew: a newer QueryLake has been here.
    """
    ways_back = [each for each in revisions() if each >= OLDEST_WAY_BACK]
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
    from querylake_api.persistence.alembic_steps import upgrade

    upgrade(connection)


def _downgrade(connection: Connection, revision: str) -> None:
    from querylake_api.persistence.alembic_steps import downgrade

    downgrade(connection, revision)
