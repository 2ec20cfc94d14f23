"""The distribution of pauses: bounded in size, and right within its error."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from querylake_api.requests.gaps import LONGEST, RELATIVE_ERROR, SHORTEST, Gaps


def gaps_of(lengths: list[float]) -> Gaps:
    gaps = Gaps()
    for length in lengths:
        gaps.add(length)
    return gaps


@given(
    st.lists(st.floats(SHORTEST, LONGEST), min_size=1, max_size=300),
    st.floats(0.01, 1.0, exclude_min=True),
)
def test_every_quantile_is_within_the_error(lengths: list[float], fraction: float) -> None:
    exact = sorted(lengths)[math.ceil(fraction * len(lengths)) - 1]
    told = gaps_of(lengths).quantile(fraction)
    assert told == pytest.approx(exact, rel=RELATIVE_ERROR * 1.001)


@given(st.lists(st.floats(0, 1e9), max_size=3000))
def test_it_never_grows_beyond_its_bound(lengths: list[float]) -> None:
    gaps = gaps_of(lengths)
    assert len(gaps.counts()) <= 157
    assert sum(count for _, count in gaps.counts()) == gaps.count == len(lengths)
    assert gaps.total == pytest.approx(math.fsum(lengths))


def test_no_pause_has_no_quantile() -> None:
    assert Gaps().quantile(0.95) is None
