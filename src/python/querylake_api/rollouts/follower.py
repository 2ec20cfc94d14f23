"""Each worker's part: following the routing, handing over outcomes, and saying what it sees."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

from querylake_api.errors import ApiError
from querylake_api.persistence.errors import DatabaseUnavailable
from querylake_api.rollouts.lifecycle import Action, Status
from querylake_api.rollouts.outcomes import Batch, OutcomeRecorder
from querylake_api.rollouts.repository import Rollout, RolloutRepository
from querylake_api.rollouts.routing import RolloutAssignment, Split
from querylake_api.rollouts.stops import Stop, StopFile
from querylake_api.rollouts.transition import transition
from querylake_api.rollouts.triggers import alarms
from querylake_api.upstreams.facts import UpstreamFacts

POLL_SECONDS = 0.25
"""A change must reach every worker within a second."""

REPORT_SECONDS = 1.0

_log = logging.getLogger(__name__)


class FactsOf(Protocol):
    """Tells what this worker knows of an engine."""

    def __call__(self, upstream: str) -> UpstreamFacts | None:
        """Return the facts; None if the configuration has no such engine now."""
        ...


class Follower:
    """Keeps one worker's routing fresh.

    Args:
        worker: names this process; never used again by another.
    """

    def __init__(
        self,
        worker: str,
        repository: RolloutRepository,
        assignment: RolloutAssignment,
        recorder: OutcomeRecorder,
        stops: StopFile,
        facts_of: FactsOf,
    ) -> None:
        self._worker = worker
        self._repository = repository
        self._assignment = assignment
        self._recorder = recorder
        self._stop_file = stops
        self._facts_of = facts_of
        self._known: dict[str, int] | None = None
        self._rollouts: dict[str, Rollout] = {}
        self._stopped: dict[str, Stop] = {}
        self._begun: dict[str, tuple[float, Mapping[str, int]]] = {}
        self._number = 0
        self._batches: list[Batch] = []
        self._reported_at = float("-inf")
        self._lock = asyncio.Lock()
        self.failure: DatabaseUnavailable | None = None

    def known(self, rollout_id: str) -> Rollout | None:
        """Return a rollout as this worker last knew it."""
        return self._rollouts.get(rollout_id)

    def rollouts(self) -> list[Rollout]:
        """Return each model's last rollout as this worker last knew it."""
        return list(self._rollouts.values())

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(POLL_SECONDS)

    def look_at_stops(self) -> None:
        """Take over what was ordered on this machine."""
        ordered = self._stop_file.read()
        if ordered.keys() - self._stopped.keys():
            self._stopped |= ordered
            self._adopt()

    async def look(self) -> None:
        """Look once at this machine's orders and at the database."""
        async with self._lock:
            self.look_at_stops()
            try:
                await self._follow()
                await self._settle_stops()
                await self._report()
            except DatabaseUnavailable as error:
                if self.failure is None:
                    _log.error("rollouts stay as they are without the database: %s", error)
                self.failure = error
            else:
                if self.failure is not None:
                    _log.warning("the database is back; rollouts go on")
                self.failure = None

    async def _follow(self) -> None:
        versions = await self._repository.versions()
        if versions == self._known:
            return
        rollouts = await self._repository.routing()
        self._rollouts = {rollout.id: rollout for rollout in rollouts}
        self._known = {rollout.id: rollout.version for rollout in rollouts}
        for rollout_id in list(self._stopped):
            rollout = self._rollouts.get(rollout_id)
            if rollout is None or _over(rollout.course.status):
                del self._stopped[rollout_id]
        self._adopt()
        self._reported_at = float("-inf")

    def _adopt(self) -> None:
        splits = [
            rollout.split()
            for rollout in self._rollouts.values()
            if not _over(rollout.course.status)
        ]
        version = max((self._known or {}).values(), default=0)
        self._assignment.adopt(splits, version, self._stopped)
        self._begun = {
            split.rollout_id: self._begun.get(split.rollout_id) or self._beginning(split)
            for split in splits
        }

    def _beginning(self, split: Split) -> tuple[float, Mapping[str, int]]:
        return time.time(), {facts.name: facts.restarts for facts in self._facts(split)}

    def _facts(self, split: Split) -> list[UpstreamFacts]:
        found = (self._facts_of(name) for name in sorted(split.candidates))
        return [facts for facts in found if facts is not None]

    def alarms(self) -> dict[str, list[str]]:
        """Return what this worker sees that ends a rollout at once, by rollout."""
        found: dict[str, list[str]] = {}
        for split in self._assignment.splits():
            if split.judged:
                since, restarts = self._begun[split.rollout_id]
                judging = self._rollouts[split.rollout_id].plan.judging
                seen = alarms(self._facts(split), restarts, since, judging)
                if seen:
                    found[split.rollout_id] = seen
        return found

    async def _settle_stops(self) -> None:
        """Write rollbacks that were made without the database into it."""
        for rollout_id, stop in self._stop_file.read().items():
            reason = f"{stop.reason} (ordered while the database was away)"
            with suppress(ApiError):  # another worker was first, or it had ended anyway
                async with self._repository.database.begin() as connection:
                    await transition(
                        connection,
                        rollout_id,
                        Action.ROLLBACK,
                        actor=stop.actor,
                        reason=reason,
                        figures={"ordered_at": stop.at},
                    )
            await self._follow()
            self._stop_file.remove(rollout_id)

    async def _report(self) -> None:
        if time.monotonic() - self._reported_at < REPORT_SECONDS:
            return
        if not self._batches:
            self._batches = self._recorder.take()
            self._number += 1
        await self._repository.report(
            self._worker,
            version=self._assignment.version,
            alarms=self.alarms(),
            number=self._number,
            batches=self._batches,
        )
        self._batches = []
        self._reported_at = time.monotonic()


def _over(status: Status) -> bool:
    return status in (Status.ROLLED_BACK, Status.ABORTED)
