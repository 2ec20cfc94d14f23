"""The schema: the same by migration and by declaration, and safe when many start at once."""

from __future__ import annotations

import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from querylake_api.keys.models import ApiKeyRow
from querylake_api.keys.repository import KeyRepository, KeysVersion
from querylake_api.persistence.database import Database
from querylake_api.persistence.errors import NoWayBack, SchemaOutdated, SchemaTooNew
from querylake_api.persistence.location import asyncpg_url
from querylake_api.persistence.migrate import go_back, migrate, require_schema
from querylake_api.persistence.revision import (
    MIGRATIONS,
    newest_revision,
    revisions,
    schema_revision,
)
from querylake_api.usage.table import usage_records
from querylake_api_testing.databases import TestPostgres


async def test_migrations_make_what_the_mapped_classes_declare(database_url: str) -> None:
    tables = ApiKeyRow.metadata
    assert usage_records.name in tables.tables

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection)
        return list(compare_metadata(context, tables))

    database = Database(asyncpg_url(database_url))
    async with database.begin() as connection:
        assert await connection.run_sync(differences) == []
    await database.close()


def test_files_are_named_for_their_revisions() -> None:
    scripts = ScriptDirectory(str(MIGRATIONS))
    assert revisions() == tuple(each.revision for each in scripts.walk_revisions())[::-1]


async def test_an_empty_database_has_no_revision(postgres: TestPostgres) -> None:
    async with postgres.database(migrated=False) as url:
        database = Database(asyncpg_url(url))
        async with database.begin() as connection:
            assert await schema_revision(connection) is None
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
    with pytest.raises(SchemaTooNew, match="newer QueryLake, to revision 9999"):
        await require_schema(database)
    with pytest.raises(SchemaTooNew):
        await go_back(database, "0006")
    await database.close()


ROWS = """
    INSERT INTO api_keys (id, name, hash, hint, scopes, created_at)
    VALUES ('k1', 'n', 'h1', '', '{inference}', now());
    INSERT INTO usage_records (id, began_at, request_id, route, key_id, model, upstream,
        assigned_stack, stack, streamed, attempts, status, outcome, prompt_tokens, content_chunks,
        queued_seconds)
    VALUES (gen_random_uuid(), now(), 'r', '/', 'k1', 'm', 'u', 's', 's', false, 1, 200, 'success',
        %d, 0, 0)
"""


async def test_rows_stay_on_the_way_forward_and_back(
    postgres: TestPostgres, database_url: str
) -> None:
    database = Database(asyncpg_url(database_url))
    await postgres.execute(database_url, ROWS % 3_000_000_000)
    await go_back(database, "0006")
    with pytest.raises(SchemaOutdated, match="at revision 0006, this version needs"):
        await require_schema(database)

    async def kept() -> tuple[int, int | None, str]:
        fresh = Database(asyncpg_url(database_url))  # it knows no plans for the older form
        async with fresh.begin() as connection:
            tokens = await connection.execute(
                text("SELECT prompt_tokens, completion_tokens FROM usage_records")
            )
            key = await connection.execute(text("SELECT hash FROM api_keys"))
            found = (*tokens.one(), key.scalar_one())
        await fresh.close()
        return found

    assert await kept() == (2**31 - 1, None, "h1")
    # What an older version writes counts and is announced as before.
    await postgres.execute(database_url, "UPDATE api_keys SET name = 'other'")
    assert await migrate(database) == newest_revision()
    assert await kept() == (2**31 - 1, None, "h1")
    repository = KeyRepository(database)
    before = await repository.version()
    assert not before.shows_all_since(KeysVersion(before.number - 1, 0, before.server))
    await postgres.execute(database_url, "UPDATE api_keys SET name = 'third'")
    after = await repository.version()
    assert after.shows_all_since(before)
    assert [key.name for _, key in await repository.changed_page(before.number, "")] == ["third"]
    with pytest.raises(NoWayBack, match="possible are 0006"):
        await go_back(database, "0003")
    await database.close()
