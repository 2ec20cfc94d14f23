"""Which request fields callers really send: names, counted, never values.

An engine ignores a field that it does not know and answers 200. Whoever upgrades one has to know
which of the fields that are gone anybody uses; `upgrade_gates parity contract --api` asks for it.
"""

# compiled: runs for each request.

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import Final

from querylake_api.observability.families import Counter, Labels

MAX_FIELDS: Final = 200
"""Names of a model's fields on one route that are told apart: callers may send any."""

OTHER: Final = "(other)"
"""Stands for names beyond that, and for those that are no names of fields."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")


class _Tally:
    """Requests that had one field since they were last added up."""

    __slots__ = ("labels", "times")

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self.times = 0


class FieldCensus:
    """Counts the top-level fields of requests.

    Args:
        counter: of a process, by route, model and field; a machine's is the sum over its processes.
            Each count there hashes three texts, so it gets them when it is read, and not before.
    """

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._tallies: dict[tuple[str, str], dict[str, _Tally]] = {}
        counter.settle = self.settle

    def note(self, route: str, model: str, names: Iterable[str]) -> None:
        """Count the fields of one request."""
        known = self._tallies.get((route, model))
        if known is None:
            known = self._tallies[(route, model)] = {}
        # What has more fields than are told apart is no request that anybody means.
        for name in islice(names, MAX_FIELDS):
            tally = known.get(name)
            if tally is None:
                tally = self._admitted(known, route, model, name)
            tally.times += 1

    def settle(self) -> None:
        """Add the counts since the last time to the counter."""
        for known in self._tallies.values():
            for tally in known.values():
                if tally.times:
                    self._counter.add(tally.labels, tally.times)
                    tally.times = 0

    def _admitted(self, known: dict[str, _Tally], route: str, model: str, name: str) -> _Tally:
        """Return what a new name counts under, and keep it if there is room."""
        if len(known) >= MAX_FIELDS or not _NAME.fullmatch(name):
            name = OTHER
        tally = known.get(name)
        if tally is None:
            tally = known[name] = _Tally((route, model, name))
        return tally
