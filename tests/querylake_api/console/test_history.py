"""The history adds up what all workers counted, by the minute, and survives a restart."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from querylake_api.observability.history import MAX_MINUTES, Totals, TrafficHistory, quantile
from querylake_api.observability.metrics import Metrics
from querylake_api.observability.snapshot import Snapshot

PLACE = ("/v1/chat/completions", "m", "engine", "stable")


def count(metrics: Metrics, requests: int, *, failed: int = 0, seconds: float = 0.04) -> None:
    """Count requests as a worker does, each with ten tokens."""
    metrics._requests.add((*PLACE, "success"), requests - failed)
    metrics._requests.add((*PLACE, "upstream_error"), failed)
    metrics._completion_tokens.add(PLACE, 10 * requests)
    metrics._first_token.observe(PLACE, seconds, requests)


async def test_a_minute_has_the_requests_of_every_worker(tmp_path: Path) -> None:
    mine, other = Metrics(tmp_path, 0), Metrics(tmp_path, 1)
    history = TrafficHistory(mine, tmp_path)
    count(mine, 5)
    await history.now()  # what was counted before is of no minute
    count(mine, 30, failed=3)
    count(other, 10)
    mine._requests.add(("/admin/overview", "", "", "", "success"), 99)
    await other.leave()
    await history.close_minute()
    [minute] = history.minutes()
    assert (minute.requests, minute.failures, minute.tokens) == (40, 3, 400)
    assert minute.first_token_p50 == pytest.approx(0.035)
    _, totals = await history.now()
    assert history.recent_by_target(totals) == {("m", "engine", "stable"): 40}


async def test_a_worker_that_starts_goes_on_with_the_history(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path, 0)
    history = TrafficHistory(metrics, tmp_path)
    await history.now()
    count(metrics, 7)
    await history.close_minute()
    again = TrafficHistory(Metrics(tmp_path, 1), tmp_path)
    assert again.minutes() == history.minutes()
    assert again.minutes(since=history.minutes()[0].start + 60) == []


@pytest.mark.parametrize("damage", ["", "{}", "[[1]]", "[1]"])
async def test_a_damaged_file_costs_only_the_past(tmp_path: Path, damage: str) -> None:
    (tmp_path / "traffic-history.json").write_text(damage)
    assert TrafficHistory(Metrics(tmp_path, 0), tmp_path).minutes() == []


async def test_the_history_is_bounded(tmp_path: Path) -> None:
    rows = [[60 * n, 60.0, 1, 0, 0, 1, None, None] for n in range(3 * MAX_MINUTES)]
    (tmp_path / "traffic-history.json").write_text(json.dumps(rows))
    history = TrafficHistory(Metrics(tmp_path, 0), tmp_path)
    await history.close_minute()
    assert len(history.minutes()) == MAX_MINUTES
    assert len(json.loads((tmp_path / "traffic-history.json").read_bytes())) == MAX_MINUTES


async def test_counters_that_began_anew_are_no_negative_traffic(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path, 0)
    history = TrafficHistory(metrics, tmp_path)
    count(metrics, 50)
    await history.now()
    metrics._requests.values.clear()
    metrics._first_token.values.clear()
    minute, _ = await history.now()
    assert (minute.requests, minute.first_token_p50) == (0, None)


def test_nothing_counted_is_nothing() -> None:
    assert Totals.of(Snapshot()) == Totals()


@given(st.lists(st.integers(0, 50), min_size=4, max_size=4), st.floats(0.01, 0.99))
def test_a_quantile_lies_in_the_bucket_that_holds_it(buckets: list[int], share: float) -> None:
    bounds = (0.1, 0.5, 2.0, math.inf)
    found = quantile(bounds, buckets, share)
    if not sum(buckets):
        assert found is None
        return
    assert found is not None
    # As many values lie below the bucket, and up to its end, as the quantile asks for.
    rank = share * sum(buckets)
    index = next(i for i in range(4) if buckets[i] and sum(buckets[: i + 1]) >= rank)
    lower = bounds[index - 1] if index else 0.0
    assert lower <= found <= (lower if index == 3 else bounds[index])
