"""From the live rollouts to the stack of each request. On the path of every one: no I/O."""

# compiled: runs for each request.

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from querylake_api.inference.catalog import Model
from querylake_api.keys.models import ApiKey
from querylake_api.rollouts.records.buckets import bucket
from querylake_api.rollouts.records.split import Split
from querylake_api.settings import Role

MAX_REMEMBERED: Final = 20_000
"""Keys whose bucket is kept, for each rollout."""


@dataclass(slots=True)
class _Active:
    split: Split
    since: float
    """When this process took the step over, in `perf_counter` seconds."""
    buckets: dict[str, int] = field(default_factory=dict)


class RolloutAssignment:
    """Implements `inference.assignment.Assignment` from what was last adopted."""

    def __init__(self) -> None:
        self._by_model: dict[str, _Active] = {}
        self.version = 0
        self.adopted_at = time.monotonic()
        """When this process first routed by its version."""

    def adopt(self, splits: Iterable[Split], version: int, stopped: Collection[str]) -> None:
        """Use these splits for every request from now on.

        Args:
            stopped: ids of rollouts that were rolled back here and not yet in the database.
        """
        before = self._by_model
        adopted: dict[str, _Active] = {}
        for split in splits:
            if split.rollout_id in stopped:
                continue
            old = before.get(split.model)
            if old is not None and old.split == split:
                adopted[split.model] = old
                continue
            new = _Active(split, time.perf_counter())
            if old is not None and old.split.salt == split.salt:
                new.buckets = old.buckets
            adopted[split.model] = new
        self._by_model = adopted
        if version != self.version:
            self.version = version
            self.adopted_at = time.monotonic()

    def splits(self) -> list[Split]:
        """Return what is in force."""
        return [active.split for active in self._by_model.values()]

    def judged_since(self, model: str) -> tuple[Split, float] | None:
        """Return a model's split and since when it holds, if outcomes count for it."""
        active = self._by_model.get(model)
        if active is None or not active.split.judged:
            return None
        return active.split, active.since

    def stack_for(self, model: Model, key: ApiKey, request_id: str) -> Role:
        """Return the stack of a request; the deny list comes before the allow list."""
        active = self._by_model.get(model.id)
        if active is None:
            return "stable"
        split = active.split
        if key.id in split.deny or not about(split, model):
            return "stable"
        if key.id in split.allow:
            return "candidate" if split.below else "stable"
        unit = key.id if split.sticky else request_id
        place = active.buckets.get(unit)
        if place is None:
            place = bucket(split.salt, unit)
            if split.sticky:
                if len(active.buckets) >= MAX_REMEMBERED:
                    active.buckets.clear()
                active.buckets[unit] = place
        return "candidate" if place < split.below else "stable"


def about(split: Split, model: Model) -> bool:
    """Return whether a split is about the candidates that a model has now."""
    candidates = model.candidates
    if len(candidates) == 1:
        return len(split.candidates) == 1 and candidates[0].upstream in split.candidates
    return {target.upstream for target in candidates} == split.candidates
