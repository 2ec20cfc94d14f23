"""What can go wrong between this process and its database."""

from __future__ import annotations

import asyncpg  # type: ignore[import-untyped]  # ships none
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from querylake_api.errors import OperatorError

CONNECTION_FAILURES: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    PoolTimeout,
    DBAPIError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What SQLAlchemy and asyncpg raise when the server is away, refuses, or goes mid-query.

asyncpg's internal error is one of them: a server that ends a connection says so before it closes
it, and a statement sent in between finds the driver in a state that no statement may start in.
"""


CONNECT_SECONDS = 5.0
"""How long a connection may take to be made."""


def reason_of(error: Exception) -> str:
    """Return one clause on a failure of `CONNECTION_FAILURES`."""
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_SECONDS:g} s"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


class DatabaseError(OperatorError):
    """Root of storage faults. No message carries a URL, since that may hold a password."""


class DatabaseUnavailable(DatabaseError):
    """The database does not answer.

    Attributes:
        reason: one clause, without the address.
    """

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"the database at {where} cannot be used: {reason}")
        self.reason = reason


class EmbeddedPostgresFailed(DatabaseError):
    """The embedded PostgreSQL could not be started."""


class SchemaTooNew(DatabaseError):
    """The schema was written by a later version of this package."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(
            f"the database at {where} was migrated by a newer QueryLake ({reason}); "
            "run that version, or restore a backup from before its upgrade"
        )


class SchemaOutdated(DatabaseError):
    """The schema is of another version than a command works with."""

    def __init__(self, where: str, found: str, needed: str) -> None:
        super().__init__(
            f"the database at {where} is at revision {found}, this version needs {needed}; "
            "run `migrate` with the version that your servers run"
        )
