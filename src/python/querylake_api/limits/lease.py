"""What a request holds of its key's limits until its last byte has gone."""

# compiled: runs for each request.

from __future__ import annotations

import time
from typing import Protocol

from querylake_api.limits.table import LimitsTable, Row


class Lease(Protocol):
    """A request that was admitted."""

    def settle(self, tokens: int) -> None:
        """Say how many tokens it took, instead of the estimate."""
        ...

    def release(self) -> None:
        """Count it as ended. Only the first time has an effect."""
        ...


class NoLease:
    """What a request of a key without limits holds."""

    __slots__ = ()

    def settle(self, tokens: int) -> None:
        """Do nothing."""

    def release(self) -> None:
        """Do nothing."""


class TableLease:
    """A request that counts in the shared table."""

    __slots__ = ("_at", "_bucket", "_reserved", "_row", "_table")

    def __init__(
        self, table: LimitsTable, bucket: int, row: Row, reserved: int | None, at: float
    ) -> None:
        self._table: LimitsTable | None = table
        self._bucket = bucket
        self._row = row
        self._reserved = reserved
        self._at = at

    def settle(self, tokens: int) -> None:
        """Replace the estimate. What it took beyond that was used by now, not back then."""
        table, reserved = self._table, self._reserved
        if table is None or table.closed or reserved is None or tokens == reserved:
            return
        self._reserved = None
        table.lock(self._bucket)
        try:
            now = time.monotonic()
            if tokens > reserved:
                self._row.tokens.add(tokens - reserved, now)
            else:
                self._row.tokens.take_back(reserved - tokens, self._at, now)
        finally:
            table.unlock(self._bucket)

    def release(self) -> None:
        """Count it as ended. Only the first time has an effect."""
        table = self._table
        self._table = None
        # A request that outlives the drain has lost its place with the process's column.
        if table is not None and not table.closed:
            table.end(self._row)
