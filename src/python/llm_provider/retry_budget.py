"""How many retries a stream of requests may cause. Pure.

When every request fails, retrying each of them doubles the load on engines that are already in
trouble. So each request pays in a part of a retry, and a retry takes out a whole one.
"""

# compiled: runs for each request.

from __future__ import annotations


class RetryBudget:
    """A bucket of retries. Over any stretch of n requests it grants at most `reserve + ratio * n`.

    Args:
        ratio: retries that each request pays in.
        reserve: how many are there at first, and at most.
    """

    __slots__ = ("_balance", "_ratio", "_reserve")

    def __init__(self, ratio: float = 0.2, reserve: float = 10.0) -> None:
        self._ratio = ratio
        self._reserve = reserve
        self._balance = reserve

    def deposit(self) -> None:
        """Pay in for one request."""
        balance = self._balance + self._ratio
        self._balance = balance if balance < self._reserve else self._reserve

    def withdraw(self) -> bool:
        """Take out one retry; False if there is none."""
        # Sums of fractions fall short by a rounding error, which must not cost a retry.
        if self._balance < 1.0 - 1e-9:
            return False
        self._balance -= 1.0
        return True
