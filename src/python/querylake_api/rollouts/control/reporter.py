"""Each worker's word to the controller: what it routes by, its alarms, and what it has counted."""

from __future__ import annotations

import asyncio
import logging
import time

from querylake_api.event_loop.background import pause
from querylake_api.persistence.errors import DatabaseUnavailable
from querylake_api.rollouts.control.sentinel import Sentinel
from querylake_api.rollouts.records.outcomes import Batch
from querylake_api.rollouts.records.repository import RolloutRepository
from querylake_api.rollouts.routing.assignment import RolloutAssignment
from querylake_api.rollouts.routing.outcome_recorder import OutcomeRecorder

REPORT_SECONDS = 1.0
"""At the latest; alarms and a change of the routing are reported at once."""

_log = logging.getLogger(__name__)


class Reporter:
    """Reports for one worker.

    Args:
        worker: names this process; never used again by another.

    Attributes:
        hurry: set when there is something to be told at once.
    """

    def __init__(
        self,
        worker: str,
        repository: RolloutRepository,
        assignment: RolloutAssignment,
        recorder: OutcomeRecorder,
        sentinel: Sentinel,
    ) -> None:
        self._worker = worker
        self._repository = repository
        self._assignment = assignment
        self._recorder = recorder
        self._sentinel = sentinel
        self._number = 0
        self._batches: list[Batch] = []
        self.hurry = asyncio.Event()

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            try:
                await self.report()
            except DatabaseUnavailable as error:
                _log.debug("nothing can be reported: %s", error)
                await asyncio.sleep(REPORT_SECONDS)
            else:
                await pause(REPORT_SECONDS, self.hurry)

    async def report(self) -> None:
        """Report once.

        Raises:
            DatabaseUnavailable: the same is said again at the next time.
        """
        if not self._batches:
            self._batches = self._recorder.take()
            self._number += 1
        await self._repository.report(
            self._worker,
            version=self._assignment.version,
            age=time.monotonic() - self._assignment.adopted_at,
            alarms=self._sentinel.alarms,
            number=self._number,
            batches=self._batches,
        )
        self._batches = []
