"""The schema: the same by migration and by declaration, and safe when many start at once."""

from __future__ import annotations

import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from querylake_api.keys.models import ApiKeyRow
from querylake_api.persistence.database import Database
from querylake_api.persistence.errors import SchemaOutdated, SchemaTooNew
from querylake_api.persistence.location import asyncpg_url
from querylake_api.persistence.migrate import migrate, newest_revision, require_schema
from querylake_api.usage.models import UsageRow
from querylake_api_testing.databases import TestPostgres


async def test_migrations_make_what_the_mapped_classes_declare(database_url: str) -> None:
    tables = ApiKeyRow.metadata
    assert UsageRow.__tablename__ in tables.tables

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection)
        return list(compare_metadata(context, tables))

    database = Database(asyncpg_url(database_url))
    async with database.begin() as connection:
        assert await connection.run_sync(differences) == []
    await database.close()


async def test_several_processes_may_migrate_at_once(postgres: TestPostgres) -> None:
    async with postgres.database(migrated=False) as url:
        databases = [Database(asyncpg_url(url)) for _ in range(4)]
        revisions = await asyncio.gather(*(migrate(database) for database in databases))
        assert set(revisions) == {newest_revision()}
        await asyncio.gather(*(database.close() for database in databases))


async def test_a_schema_of_another_version_is_left_alone(
    postgres: TestPostgres, database_url: str
) -> None:
    database = Database(asyncpg_url(database_url))
    await postgres.execute(database_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaTooNew, match="newer QueryLake"):
        await migrate(database)
    with pytest.raises(SchemaOutdated, match="run `migrate`"):
        await require_schema(database)
    await database.close()
