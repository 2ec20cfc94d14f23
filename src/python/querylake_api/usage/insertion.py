"""Putting entries of the spool into the database, each of them once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, Column, DateTime, Dialect, Integer, text
from sqlalchemy.dialects import registry
from sqlalchemy.exc import DBAPIError

from querylake_api.persistence.database import Database
from querylake_api.persistence.errors import DatabaseUnavailable
from querylake_api.usage.table import usage_records

_MOST_TOKENS = 2**63 - 1
"""What the columns hold. Requests of an engine that reports more count all the same."""

_DIALECT: Final[Dialect] = registry.load("postgresql.asyncpg")()


def _sent_as(column: Column[Any]) -> str:
    """Return the type that a value has in an entry."""
    if isinstance(column.type, DateTime):
        return "float8"  # Unix seconds
    return "numeric" if isinstance(column.type, BigInteger) else column.type.compile(_DIALECT)


def _stored(column: Column[Any]) -> str:
    """Return what becomes of a value of an entry."""
    name = column.name
    if isinstance(column.type, DateTime):
        return f"to_timestamp({name})"
    if isinstance(column.type, BigInteger):
        # Not least(), which would make a bound of a count that is not known.
        bounded = f"CASE WHEN {name} > {_MOST_TOKENS} THEN {_MOST_TOKENS} ELSE {name} END"
        return f"CAST({bounded} AS bigint)"
    if isinstance(column.type, Integer) and not column.nullable:
        return f"coalesce({name}, 0)"  # a request that was lost has counted nothing
    return name


def _listed(say: Callable[[Column[Any]], str]) -> str:
    return ", ".join(say(column) for column in usage_records.columns)


# The entries travel as they are, and PostgreSQL reads them: nothing here looks into them.
#
# What another process was killed in may have gone on in this one, under the same id: an end takes
# the place of the record that was made for want of it, whichever comes first.
_INSERT = text(f"""
    WITH written AS (
        INSERT INTO usage_records ({_listed(lambda column: column.name)})
        SELECT DISTINCT ON (id) {_listed(_stored)}
        FROM jsonb_to_recordset(CAST(:entries AS jsonb))
            AS entry ({_listed(lambda column: f"{column.name} {_sent_as(column)}")})
        ON CONFLICT (id) DO UPDATE
        SET {_listed(lambda column: f"{column.name} = excluded.{column.name}")}
        WHERE usage_records.outcome = 'lost_in_crash'
        RETURNING 1
    )
    SELECT count(*) FROM written
    """)

_REFUSALS = ("22", "23")
"""Classes of SQLSTATE: a value that no column takes, or a constraint forbids.
https://www.postgresql.org/docs/current/errcodes-appendix.html"""


@dataclass(frozen=True, slots=True)
class Insertion:
    """What became of some entries.

    Attributes:
        count: how many were written, in the place of a lost one or as new.
        refused: those that it will never take, e.g. because a value is out of range.
    """

    count: int
    refused: list[bytes]


async def insert_entries(database: Database, entries: list[bytes]) -> Insertion:
    """Insert entries and commit. Ends that are there already stay as they are.

    Entries that are refused are found by halving, so that the others get in.

    Raises:
        DatabaseUnavailable: the database does not answer. Some entries may be in.
    """
    if not entries:
        return Insertion(0, [])
    try:
        document = b"[" + b",".join(entries) + b"]"
        parameters = {"entries": document.decode("utf-8", "replace")}
        rows = await database.delivery.look(_INSERT, parameters)
    except DatabaseUnavailable as error:
        if not _is_refusal(error):
            raise
    else:
        return Insertion(rows[0][0], [])
    if len(entries) == 1:
        return Insertion(0, entries)
    middle = len(entries) // 2
    first = await insert_entries(database, entries[:middle])
    second = await insert_entries(database, entries[middle:])
    return Insertion(first.count + second.count, first.refused + second.refused)


def _is_refusal(error: DatabaseUnavailable) -> bool:
    cause = error.__cause__
    state = getattr(cause.orig, "sqlstate", None) if isinstance(cause, DBAPIError) else None
    return isinstance(state, str) and state.startswith(_REFUSALS)
