"""The numbers of one process, as the others of its machine read them.

Each worker writes its own into a file of the state folder, every second, under its number. Who is
asked for metrics adds the files to what it has itself. A worker that starts goes on from the file
of its number, so that no counter ever falls: for Prometheus that would be a restart, and all that
the others had counted would be counted again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from querylake_api.observability.families import Counter, Gauge, Histogram, Labels, Merge

FRESH_SECONDS = 5.0
"""A gauge that is older is of a process that has ended."""


@dataclass(slots=True)
class Snapshot:
    """Numbers by family and labels. Histograms are lists of counts with their sum at the end."""

    counters: dict[str, dict[Labels, float]] = field(default_factory=dict)
    histograms: dict[str, dict[Labels, list[float]]] = field(default_factory=dict)
    gauges: dict[str, dict[Labels, float]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, counters: Iterable[Counter], histograms: Iterable[Histogram], gauges: Iterable[Gauge]
    ) -> Snapshot:
        """Return the numbers of this process, now."""
        return cls(
            {family.name: dict(family.current()) for family in counters},
            {
                family.name: {labels: list(cell) for labels, cell in family.values.items()}
                for family in histograms
            },
            {family.name: dict(family.read()) for family in gauges},
        )

    def add(self, other: Snapshot, merges: Mapping[str, Merge]) -> None:
        """Add the numbers of another process."""
        for name, counts in other.counters.items():
            mine = self.counters.setdefault(name, {})
            for labels, count in counts.items():
                mine[labels] = mine.get(labels, 0) + count
        for name, cells in other.histograms.items():
            others = self.histograms.setdefault(name, {})
            for labels, cell in cells.items():
                there = others.get(labels)
                others[labels] = (
                    cell if there is None else [a + b for a, b in zip(there, cell, strict=True)]
                )
        for name, readings in other.gauges.items():
            values = self.gauges.setdefault(name, {})
            for labels, value in readings.items():
                mine_now = values.get(labels)
                values[labels] = (
                    value if mine_now is None else _merged(merges.get(name, "sum"), mine_now, value)
                )

    def write(self, path: Path) -> None:
        """Write a file in one step: whoever reads it finds all of it."""
        unfinished = path.with_suffix(".tmp")
        unfinished.write_bytes(
            orjson.dumps(
                {
                    # The same for all processes of a machine, whatever its clock is set to.
                    "written": time.monotonic(),
                    "counters": _listed(self.counters),
                    "histograms": _listed(self.histograms),
                    "gauges": _listed(self.gauges),
                }
            )
        )
        unfinished.rename(path)


def read_snapshot(path: Path, sizes: Mapping[str, int]) -> Snapshot:
    """Return what a file holds; nothing of a file that is not there or not whole.

    Args:
        sizes: how long the cells of each histogram are. Those of another length were written by a
            version with other bounds, and are left out.
    """
    try:
        document = orjson.loads(path.read_bytes())
        snapshot = Snapshot(
            _by_labels(document["counters"]),
            _by_labels(document["histograms"]),
            _by_labels(document["gauges"]),
        )
        age = time.monotonic() - document["written"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Snapshot()
    if not 0 <= age <= FRESH_SECONDS:
        snapshot.gauges = {}
    snapshot.histograms = {
        name: {labels: cell for labels, cell in cells.items() if len(cell) == sizes.get(name)}
        for name, cells in snapshot.histograms.items()
    }
    return snapshot


def _merged(merge: Merge, one: float, other: float) -> float:
    if merge == "sum":
        return one + other
    return max(one, other) if merge == "max" else min(one, other)


def _listed(families: Mapping[str, Mapping[Labels, object]]) -> dict[str, list[object]]:
    return {name: list(values.items()) for name, values in families.items()}


def _by_labels(families: Mapping[str, Any]) -> dict[str, dict[Labels, Any]]:
    return {
        name: {tuple(labels): value for labels, value in values}
        for name, values in families.items()
    }
