"""The metrics for as long as the application runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from querylake_api.event_loop.background import in_background
from querylake_api.observability.metrics import Metrics


@asynccontextmanager
async def running_metrics(state: Path, index: int) -> AsyncIterator[Metrics]:
    """Give metrics that go on from the last process of that number, until the block ends."""
    folder = state / "metrics"
    folder.mkdir(mode=0o700, exist_ok=True)
    metrics = Metrics(folder, index)
    metrics.go_on()
    try:
        async with in_background({"the exchange of metrics": metrics.follow}):
            yield metrics
    finally:
        await metrics.leave(ending=True)
