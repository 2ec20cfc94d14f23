"""From the URL an operator writes to the URL that SQLAlchemy and asyncpg take."""

from __future__ import annotations

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from querylake_api.persistence.errors import DatabaseError

DRIVER = "postgresql+asyncpg"
EMBEDDED_DATABASE = "querylake"

_PASSED_ON = frozenset({"host", "port", "ssl"})


def asyncpg_url(url: str) -> URL:
    """Return a libpq-style URL as one for asyncpg.

    asyncpg takes libpq's `sslmode` under the name `ssl`; other query parameters would become
    unknown arguments of its `connect`.

    Raises:
        DatabaseError: the URL cannot be read, or has parameters that asyncpg does not know.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DatabaseError(
            "database.url cannot be read; write postgresql://user:password@host:5432/database"
        ) from None
    query = dict(parsed.query)
    if "sslmode" in query:
        query["ssl"] = query.pop("sslmode")
    unknown = sorted(query.keys() - _PASSED_ON)
    if unknown:
        raise DatabaseError(
            f"database.url has parameters that are not supported: {', '.join(unknown)}; "
            "sslmode, host and port are"
        )
    return parsed.set(drivername=DRIVER, query=query)


def shown(url: URL) -> str:
    """Return what may be shown of a URL: host and database, no user, no password."""
    host = url.host or url.query.get("host", "localhost")
    return f"{host}/{url.database}"
