"""Counters, gauges and histograms as plain numbers in dictionaries: cheap to count, easy to add up.

prometheus_client's own take a lock and, with several processes, a write into a mapped file for each
number: here that would cost more than everything else that is done for a request.
"""

# compiled: runs for each request.

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

Labels = tuple[str, ...]
Merge = Literal["sum", "max", "min"]
Reading = Iterable[tuple[Labels, float]]


class Counter:
    """A number that only grows, for each combination of labels.

    Args:
        exposed: whether Prometheus is told; what callers name would be too many series for it.

    Attributes:
        settle: adds what is counted elsewhere to `values`, before they are read; None for nothing.
    """

    __slots__ = ("exposed", "help", "labels", "name", "settle", "values")

    def __init__(
        self, name: str, help: str, labels: Sequence[str] = (), *, exposed: bool = True
    ) -> None:
        self.name = name
        self.exposed = exposed
        self.help = help
        self.labels = tuple(labels)
        self.settle: Callable[[], None] | None = None
        self.values: dict[Labels, float] = {}

    def current(self) -> dict[Labels, float]:
        """Return everything that was counted so far."""
        if self.settle is not None:
            self.settle()
        return self.values

    def add(self, labels: Labels = (), amount: float = 1) -> None:
        """Count."""
        self.values[labels] = self.values.get(labels, 0) + amount


class Histogram:
    """How often a value fell between two bounds, for each combination of labels.

    Attributes:
        bounds: upper bounds, growing; the last one is infinite.
        values: the count of each bucket by itself, and the sum of what was observed.
    """

    __slots__ = ("bounds", "help", "labels", "name", "values")

    def __init__(
        self, name: str, help: str, labels: Sequence[str], bounds: Sequence[float]
    ) -> None:
        self.name = name
        self.help = help
        self.labels = tuple(labels)
        self.bounds = (*bounds, math.inf)
        self.values: dict[Labels, list[float]] = {}

    def observe(self, labels: Labels, value: float, times: int = 1) -> None:
        """Count a value."""
        cell = self.values.get(labels)
        if cell is None:
            cell = self.values[labels] = [0] * (len(self.bounds) + 1)
        cell[bisect_left(self.bounds, value)] += times
        cell[-1] += value * times


class Gauge:
    """A number that is read when somebody asks.

    Args:
        read: gives the values of this process.
        merge: what several processes amount to.
    """

    __slots__ = ("help", "labels", "merge", "name", "read")

    def __init__(
        self,
        name: str,
        help: str,
        read: Callable[[], Reading],
        labels: Sequence[str] = (),
        merge: Merge = "sum",
    ) -> None:
        self.name = name
        self.help = help
        self.read = read
        self.labels = tuple(labels)
        self.merge = merge
