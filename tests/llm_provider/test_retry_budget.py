"""The retry budget: enough for a failover, never enough for a storm."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llm_provider.retry_budget import RetryBudget


def test_when_every_request_fails_few_are_retried() -> None:
    budget = RetryBudget(ratio=0.2, reserve=10)
    granted = 0
    for _ in range(1000):
        budget.deposit()
        granted += budget.withdraw()
    assert 200 <= granted <= 210


def test_the_reserve_is_all_there_is_without_requests() -> None:
    budget = RetryBudget(ratio=0.2, reserve=3)
    assert [budget.withdraw() for _ in range(5)] == [True, True, True, False, False]
    for _ in range(5):
        budget.deposit()
    assert [budget.withdraw() for _ in range(2)] == [True, False]


@given(
    st.lists(st.booleans(), max_size=300),
    st.floats(0, 1),
    st.floats(0, 20),
    st.integers(0, 300),
)
def test_no_stretch_of_requests_causes_more_than_its_share(
    asked: list[bool], ratio: float, reserve: float, start: int
) -> None:
    budget = RetryBudget(ratio, reserve)
    granted: list[bool] = []
    for wants in asked:
        budget.deposit()
        granted.append(wants and budget.withdraw())
    stretch = granted[start:]
    assert sum(stretch) <= reserve + ratio * len(stretch) + 1e-6
