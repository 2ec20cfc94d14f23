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


class FieldCensus:
    """Counts the top-level fields of requests.

    Args:
        counter: of a process, by route, model and field; a machine's is the sum over its processes.
    """

    def __init__(self, counter: Counter) -> None:
        self._values: dict[Labels, float] = counter.values
        self._known: dict[tuple[str, str], dict[str, Labels]] = {}

    def note(self, route: str, model: str, names: Iterable[str]) -> None:
        """Count the fields of one request."""
        known = self._known.get((route, model))
        if known is None:
            known = self._known[(route, model)] = {}
        values = self._values
        # What has more fields than are told apart is no request that anybody means.
        for name in islice(names, MAX_FIELDS):
            labels = known.get(name)
            if labels is None:
                labels = self._admitted(known, route, model, name)
            values[labels] = values.get(labels, 0.0) + 1.0

    def _admitted(self, known: dict[str, Labels], route: str, model: str, name: str) -> Labels:
        """Return the labels that a new name counts under, and keep them if there is room."""
        if len(known) >= MAX_FIELDS or not _NAME.fullmatch(name):
            return (route, model, OTHER)
        labels = known[name] = (route, model, name)
        return labels
