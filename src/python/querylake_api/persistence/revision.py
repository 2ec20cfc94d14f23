"""Which form the tables have, and which one this version works with.

Alembic would say it too, at the price of 10 MB of modules in each process for one comparison; it is
imported where there is something to migrate (`persistence.alembic_steps`).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from querylake_api.persistence.errors import SchemaTooNew
from querylake_api.persistence.location import shown

MIGRATIONS = Path(__file__).with_name("migrations")


@cache
def revisions() -> tuple[str, ...]:
    """Return the revisions that this version knows, oldest first: files are named for them."""
    known = sorted(
        path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py")
    )
    if not known:
        raise RuntimeError(f"no migrations in {MIGRATIONS}: the package was built without them")
    return tuple(known)


def newest_revision() -> str:
    """Return the revision that this version of the package works with."""
    return revisions()[-1]


async def schema_revision(connection: AsyncConnection) -> str | None:
    """Return the revision that a database is at, None if it has no tables.

    Raises:
        SchemaTooNew: this version does not know it.
    """
    there = await connection.scalar(text("SELECT to_regclass('alembic_version')"))
    if there is None:
        return None
    revision: str | None = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    if revision is not None and revision not in revisions():
        raise SchemaTooNew(shown(connection.engine.url), revision, newest_revision())
    return revision
