"""A request that goes on in another Ray replica, see `request_replay`, was admitted before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from querylake_api.errors import ApiError
from querylake_api.keys.limits import Limits
from querylake_api.limits.limiter import Admission, Limiter
from querylake_api.limits.table import LimitsTable
from querylake_api.observability.observer import Observer
from querylake_api.requests.record import ResponseContent
from querylake_api.workers.worker import claim_worker
from querylake_api_testing.valid_keys import valid_key
from request_replay.agreement import REPLAYED

KEY = valid_key("key_1", Limits(requests_per_minute=2, tokens_per_minute=100, concurrency=1))


@pytest.fixture
def limiter(tmp_path: Path) -> Iterator[Limiter]:
    with claim_worker(tmp_path) as worker:
        table = LimitsTable(worker)
        yield Limiter(table, Limits())
        table.close()


def replayed(**scope: object) -> bool:
    """Return whether a request is taken for a replayed one, as its client claims it to be."""
    headers = [(REPLAYED.encode(), b"true"), (b"x-" + REPLAYED.encode(), b"1")]
    arrived = {"method": "POST", "path": "/", "headers": headers, **scope}
    return Observer(()).begin(arrived).replayed


def remaining(admission: Admission) -> list[bytes]:
    return [value for name, value in admission.headers if b"-remaining-" in name]


def test_neither_requests_nor_tokens_are_counted_again(limiter: Limiter) -> None:
    with (first := limiter.admit(KEY, 90, replayed=replayed())):
        pass
    with (again := limiter.admit(KEY, 90, replayed=replayed(**{REPLAYED: True}))):
        again.note(ResponseContent(completion_tokens=40), None)
    assert remaining(first) == remaining(again) == [b"1", b"10"]


def test_what_was_admitted_is_not_refused_later(limiter: Limiter) -> None:
    for _ in range(2):
        with limiter.admit(KEY, 50, replayed=replayed()):
            pass
    with pytest.raises(ApiError, match="requests per minute"):
        limiter.admit(KEY, 1, replayed=replayed())
    with limiter.admit(KEY, 50, replayed=replayed(**{REPLAYED: True})):
        pass


def test_its_place_is_asked_for_again(limiter: Limiter) -> None:
    with (
        limiter.admit(KEY, 1, replayed=replayed()),
        pytest.raises(ApiError, match="concurrent requests"),
    ):
        limiter.admit(KEY, 1, replayed=replayed(**{REPLAYED: True}))
