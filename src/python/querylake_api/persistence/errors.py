"""What can go wrong between this process and its database."""

from __future__ import annotations

from collections.abc import Sequence

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


def refused_value(error: Exception) -> str | None:
    """Return why a value was refused, None if the failure is another one.

    Class 22 of SQLSTATE is "data exception"; the driver gives it too, to what it cannot encode.
    https://www.postgresql.org/docs/current/errcodes-appendix.html
    """
    if not isinstance(error, DBAPIError):
        return None
    state = getattr(error.orig, "sqlstate", None)
    if not isinstance(state, str) or not state.startswith("22"):
        return None
    return str(error.orig).splitlines()[0].rpartition("Error'>: ")[2]


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

    def __init__(self, where: str, found: str, needed: str) -> None:
        super().__init__(
            f"the database at {where} was migrated by a newer QueryLake, to revision {found}; run "
            f"that version, go back with its `migrate --back-to {needed}`, or restore a backup "
            "from before its upgrade"
        )


class NoWayBack(DatabaseError):
    """The schema cannot be brought to a revision."""

    def __init__(self, revision: str, possible: Sequence[str]) -> None:
        super().__init__(
            f"there is no way back to revision {revision!r}; possible are {', '.join(possible)}. "
            "For anything older, restore a backup"
        )


class ValueRefused(DatabaseError):
    """A statement holds a value that PostgreSQL cannot take, such as a text with a NUL."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the database cannot take a value: {reason}")
        self.reason = reason


class SchemaOutdated(DatabaseError):
    """The schema is of another version than a command works with."""

    def __init__(self, where: str, found: str, needed: str) -> None:
        super().__init__(
            f"the database at {where} is at revision {found}, this version needs {needed}; "
            "run `migrate` with the version that your servers run"
        )
