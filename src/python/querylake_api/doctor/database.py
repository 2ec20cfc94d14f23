"""The database: that it answers, what form its tables have, its clock, and who may administer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from sqlalchemy import text

from querylake_api.configuration.loading import Configuration
from querylake_api.doctor.clocks import clock
from querylake_api.doctor.findings import Finding, fault, good, warning
from querylake_api.keys.models import Scope
from querylake_api.keys.repository import KeyRepository
from querylake_api.persistence.database import Database, open_database
from querylake_api.persistence.errors import DatabaseError, SchemaTooNew
from querylake_api.persistence.revision import newest_revision, schema_revision

_SUBJECT = "database"


async def examine_database(configuration: Configuration) -> AsyncIterator[Finding]:
    """Look at the database, starting the embedded one if it does not run."""
    try:
        async with open_database(configuration) as database:
            async for finding in _examine(database):
                yield finding
    except SchemaTooNew as error:
        yield fault("tables", str(error), "`serve` of this version refuses it, too")
    except DatabaseError as error:
        yield fault(
            _SUBJECT,
            str(error),
            "start it, or correct database.url; until then known keys go on working, and no new "
            "ones do",
        )


async def _examine(database: Database) -> AsyncIterator[Finding]:
    async with database.begin() as connection:
        asked = datetime.now(UTC)
        now: datetime = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
        answered = datetime.now(UTC)
        version: str = (await connection.execute(text("SHOW server_version"))).scalar_one()
    yield good(_SUBJECT, f"PostgreSQL {version.split()[0]} at {database.where}")
    yield clock("clock of the database", now, asked, answered)
    async with database.begin() as connection:
        revision = await schema_revision(connection)
    newest = newest_revision()
    if revision != newest:
        yield warning(
            "tables",
            f"at revision {revision or 'none'}, this version needs {newest}",
            "`serve` or `migrate` brings them up; take a backup first",
        )
        return
    yield good("tables", f"at revision {newest}")
    yield await _keys(KeyRepository(database))


async def _keys(repository: KeyRepository) -> Finding:
    now = datetime.now(UTC)
    valid = [
        key
        for key in (await repository.valid()).values()
        if key.expires_at is None or key.expires_at > now
    ]
    admins = sum(Scope.ADMIN in key.scopes for key in valid)
    detail = f"{len(valid)} valid, {admins} of them for administration"
    if not valid:
        return warning("keys", detail, "`keys create --name NAME` makes one")
    if not admins:
        return warning(
            "keys", detail, "`keys create --name NAME --scope admin` opens /admin/* and /ui/*"
        )
    return good("keys", detail)
