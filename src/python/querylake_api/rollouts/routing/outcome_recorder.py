"""What became of the requests of live rollouts, counted in each worker and handed on each second.

A request counts only if it began after this worker took its step over. Otherwise the first moments
of a step would hold the candidate's fast failures and not yet its slow successes, while the stable
stack has both.
"""

# compiled: runs for each request.

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from querylake_api.requests.identity import RequestIdentity
from querylake_api.requests.record import Progress, RequestRecord, Workload
from querylake_api.rollouts.records.outcomes import Batch
from querylake_api.rollouts.records.split import Split
from querylake_api.rollouts.routing.assignment import RolloutAssignment
from querylake_api.rollouts.routing.outcome_kind import kind_of, waiting
from querylake_api.rollouts.routing.token_waits import TokenWaits
from querylake_api.settings import Role
from rollout_statistics.outcomes import WAITING_MARKS, Kind

MAX_KINDS: Final = 20_000
"""Distinct kinds of outcome kept until the next flush. Later ones go uncounted, in both arms."""


class OutcomeRecorder:
    """A sink of finished requests, which also knows those that are under way.

    Args:
        clock: `perf_counter` seconds.

    Attributes:
        totals: how many were counted since the start, by model, arm, and whether they failed.
    """

    def __init__(
        self, assignment: RolloutAssignment, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._assignment = assignment
        self._clock = clock
        self._counts: dict[tuple[str, int], Counter[Kind]] = {}
        self._under_way: dict[RequestIdentity, _UnderWay] = {}
        self._waits = TokenWaits()
        self.totals: Counter[tuple[str, Role, bool]] = Counter()

    def began(
        self,
        identity: RequestIdentity,
        workload: Workload,
        assigned_stack: str,
        stack: str,
        progress: Progress,
    ) -> None:
        """Note that a request of a live rollout is under way, until it is `finished`."""
        self._under_way[identity] = _UnderWay(
            identity.started_at, workload, assigned_stack, stack, progress
        )

    def forget(self, identity: RequestIdentity) -> None:
        """Note that a request is under way no more, and that nothing is to be counted of it."""
        self._under_way.pop(identity, None)

    def finished(self, record: RequestRecord) -> None:
        """Count a request, if it belongs to a live rollout and says something of its stack."""
        self._under_way.pop(record.identity, None)
        workload, engines = record.workload, record.engines
        if engines.stack == "stable":
            self._waits.note(record)
        started_at = record.identity.started_at
        split = self._judged(workload, started_at, engines.assigned_stack, engines.stack)
        if split is None:
            return
        kind = kind_of(record, _key(workload, split))
        if kind is not None:
            self.totals[split.model, kind.arm, kind.ending == "failed"] += 1
            self._count(split, kind)

    def take(self) -> list[Batch]:
        """Return what was counted since the last call."""
        self._count_waiting()
        taken, self._counts = self._counts, {}
        return [Batch(rollout, step, counts) for (rollout, step), counts in taken.items()]

    def longest_wait(self, model: str) -> float:
        """Return for how many seconds a request to a model's stable stack has waited for a token.

        The longest of the last minutes, those that still wait included; 0 if there were none.
        """
        now = self._clock()
        streams = self._waits.streams(model, now)
        longest = self._waits.longest(model, now)
        for each in self._under_way.values():
            workload = each.workload
            if workload.model != model or each.stack != "stable":
                continue
            if each.progress.first_token_at is None and (workload.streamed or not streams):
                longest = max(longest, now - each.started_at)
        return longest

    def _count_waiting(self) -> None:
        """Count requests that have no token yet, once for each mark that they have waited to."""
        now = self._clock()
        for each in self._under_way.values():
            if each.progress.first_token_at is not None:
                continue
            waited = now - each.started_at
            while each.passed < len(WAITING_MARKS) and waited >= WAITING_MARKS[each.passed]:
                workload = each.workload
                split = self._judged(workload, each.started_at, each.assigned_stack, each.stack)
                if split is not None:
                    key = _key(workload, split)
                    mark = WAITING_MARKS[each.passed]
                    self._count(split, waiting(workload, each.stack, key, mark))
                each.passed += 1

    def _judged(
        self, workload: Workload, started_at: float, assigned_stack: str, stack: str
    ) -> Split | None:
        """Return the split that a request counts for, if any."""
        live = self._assignment.judged_since(workload.model)
        if live is None:
            return None
        split, since = live
        if started_at < since:
            return None
        if stack != assigned_stack or not stack:
            return None
        return split

    def _count(self, split: Split, kind: Kind) -> None:
        place = split.rollout_id, split.step
        counts = self._counts.get(place)
        if counts is None:
            counts = self._counts[place] = Counter()
        if kind in counts or len(counts) < MAX_KINDS:
            counts[kind] += 1


class _UnderWay:
    """A request that has not ended.

    Attributes:
        passed: at how many of `WAITING_MARKS` it was counted.
    """

    __slots__ = ("assigned_stack", "passed", "progress", "stack", "started_at", "workload")

    def __init__(
        self,
        started_at: float,
        workload: Workload,
        assigned_stack: str,
        stack: str,
        progress: Progress,
    ) -> None:
        self.started_at = started_at
        self.workload = workload
        self.assigned_stack = assigned_stack
        self.stack = stack
        self.progress = progress
        self.passed = 0


def _key(workload: Workload, split: Split) -> str:
    return (workload.key_id or "") if split.sticky else ""
