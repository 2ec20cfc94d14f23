"""A ledger for as long as the application runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from querylake_api.event_loop.background import in_background
from querylake_api.observability.metrics import Metrics
from querylake_api.persistence.database import Database
from querylake_api.usage.ledger import Ledger


@asynccontextmanager
async def running_ledger(
    database: Database, state: Path, metrics: Metrics, *, max_bytes: int
) -> AsyncIterator[Ledger]:
    """Give a ledger that ships its records until the block ends.

    Raises:
        SpoolUnusable: its files cannot be made.
    """
    ledger = Ledger(database, state / "usage", metrics, max_bytes=max_bytes)
    metrics.gauge(
        "querylake_usage_spool_bytes",
        "Usage records on disk.",
        lambda: [((), ledger.state().spool_bytes)],
    )
    metrics.gauge(
        "querylake_usage_waiting_bytes",
        "Usage records on disk that are not in the database yet.",
        lambda: [((), ledger.state().waiting_bytes)],
    )
    metrics.gauge(
        "querylake_usage_lag_seconds",
        "Age of the oldest usage record that is not in the database yet.",
        lambda: [((), ledger.state().oldest_wait_seconds)],
        merge="max",
    )
    try:
        async with in_background({"the delivery of usage records": ledger.run}):
            yield ledger
    finally:
        await ledger.close()
