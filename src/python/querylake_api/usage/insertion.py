"""Putting entries of the spool into the database, each of them once."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from querylake_api.persistence.database import Database
from querylake_api.persistence.errors import DatabaseUnavailable

_COLUMNS = (
    *("began_at", "request_id", "route", "key_id", "model", "upstream", "assigned_stack", "stack"),
    *("streamed", "attempts", "status", "outcome", "error_code", "ending", "prompt_tokens"),
    *("completion_tokens", "content_chunks", "queued_seconds", "first_token_seconds"),
    *("gap_p95_seconds", "seconds"),
)

_MOST_TOKENS = 2**63 - 1
"""What the columns hold. Requests of an engine that reports more count all the same."""


def _bounded(column: str) -> str:
    # Not least(), which would make a bound of a count that is not known.
    return (
        f"CAST(CASE WHEN {column} > {_MOST_TOKENS} THEN {_MOST_TOKENS} ELSE {column} END AS bigint)"
    )


# The entries travel as they are, and PostgreSQL reads them: nothing here looks into them.
#
# What another process was killed in may have gone on in this one, under the same id: an end takes
# the place of the record that was made for want of it, whichever comes first.
_INSERT = text(f"""
    WITH written AS (
        INSERT INTO usage_records (id, {", ".join(_COLUMNS)})
        SELECT DISTINCT ON (id)
            id, to_timestamp(began_at), request_id, route, key_id, model, upstream, assigned_stack,
            stack, streamed, attempts, status, outcome, error_code, ending,
            {_bounded("prompt_tokens")}, {_bounded("completion_tokens")},
            coalesce(content_chunks, 0), queued_seconds, first_token_seconds, gap_p95_seconds,
            seconds
        FROM jsonb_to_recordset(CAST(:entries AS jsonb)) AS entry (
            id uuid, began_at float8, request_id text, route text, key_id text, model text,
            upstream text, assigned_stack text, stack text, streamed boolean, attempts integer,
            status integer, outcome text, error_code text, ending text, prompt_tokens numeric,
            completion_tokens numeric, content_chunks integer, queued_seconds float8,
            first_token_seconds float8, gap_p95_seconds float8, seconds float8
        )
        ON CONFLICT (id) DO UPDATE
        SET {", ".join(f"{column} = excluded.{column}" for column in _COLUMNS)}
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
