"""Each worker's routing, kept as the database and the orders of this machine have it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from querylake_api.errors import ApiError
from querylake_api.event_loop.background import pause
from querylake_api.persistence.errors import DatabaseUnavailable
from querylake_api.rollouts.records.lifecycle import Action, Status
from querylake_api.rollouts.records.repository import Rollout, RolloutRepository
from querylake_api.rollouts.records.stops import Stop, StopFile
from querylake_api.rollouts.records.transition import transition
from querylake_api.rollouts.routing.assignment import RolloutAssignment

POLL_SECONDS = 0.75
"""A change must reach every worker within a second, also if nobody is told of it."""

STOPS_SECONDS = 0.2
"""Between looks at the orders of this machine, while there is something that can be stopped."""

_log = logging.getLogger(__name__)


class Follower:
    """Keeps one worker's routing fresh.

    Attributes:
        failure: why the database could not be followed the last time.
        adopted: set when the routing was changed.
    """

    def __init__(
        self, repository: RolloutRepository, assignment: RolloutAssignment, stops: StopFile
    ) -> None:
        self._repository = repository
        self._assignment = assignment
        self._stop_file = stops
        self._known: dict[str, int] | None = None
        self._rollouts: dict[str, Rollout] = {}
        self._stopped: dict[str, Stop] = {}
        self._lock = asyncio.Lock()
        self._routing = asyncio.Event()
        self.failure: DatabaseUnavailable | None = None
        self.adopted = [self._routing]

    def known(self, rollout_id: str) -> Rollout | None:
        """Return a rollout as this worker last knew it."""
        return self._rollouts.get(rollout_id)

    def rollouts(self) -> list[Rollout]:
        """Return each model's last rollout as this worker last knew it."""
        return list(self._rollouts.values())

    async def run(self) -> None:
        """Follow the database until cancelled."""
        while True:
            await self.look()
            await pause(POLL_SECONDS, self._repository.changed)

    async def run_stops(self) -> None:
        """Follow this machine's orders until cancelled, however long the database takes."""
        while True:
            self.look_at_stops()
            if self._assignment.splits():
                await asyncio.sleep(STOPS_SECONDS)
            else:
                await self._routing.wait()
                self._routing.clear()

    def order_stop(self, rollout_id: str, stop: Stop) -> None:
        """Take a rollout's traffic back: in this worker at once, then on the whole machine.

        Raises:
            OSError: the state folder cannot be written to, so that only this worker follows.
        """
        self._stopped[rollout_id] = stop
        self._adopt()
        self._stop_file.put(rollout_id, stop)

    def withdraw_stop(self, rollout_id: str) -> None:
        """Forget an order that the database has, or that was none."""
        self._stop_file.remove(rollout_id)

    def look_at_stops(self) -> None:
        """Take over what was ordered on this machine."""
        ordered = self._stop_file.read()
        if ordered.keys() - self._stopped.keys():
            self._stopped |= ordered
            self._adopt()

    async def look(self) -> None:
        """Look once at the database, and bring to it what was ordered without it."""
        async with self._lock:
            try:
                await self._follow()
                await self._settle_stops()
            except DatabaseUnavailable as error:
                if self.failure is None:
                    _log.error("rollouts stay as they are without the database: %s", error)
                self.failure = error
            else:
                if self.failure is not None:
                    _log.warning("the database is back; rollouts go on")
                self.failure = None

    async def _follow(self) -> None:
        rollouts = await self._repository.routing(self._known)
        if rollouts is None:
            return
        self._rollouts = {rollout.id: rollout for rollout in rollouts}
        self._known = {rollout.id: rollout.version for rollout in rollouts}
        for rollout_id in list(self._stopped):
            rollout = self._rollouts.get(rollout_id)
            if rollout is None or _over(rollout.course.status):
                del self._stopped[rollout_id]
        self._adopt()

    def _adopt(self) -> None:
        splits = [
            rollout.split()
            for rollout in self._rollouts.values()
            if not _over(rollout.course.status)
        ]
        version = max((self._known or {}).values(), default=0)
        self._assignment.adopt(splits, version, self._stopped)
        for event in self.adopted:
            event.set()

    async def _settle_stops(self) -> None:
        """Write rollbacks that were made without the database into it."""
        for rollout_id, stop in (self._stop_file.read() | self._stopped).items():
            with suppress(ApiError):  # another worker was first, or it had ended anyway
                async with self._repository.database.begin() as connection:
                    await transition(
                        connection,
                        rollout_id,
                        Action.ROLLBACK,
                        actor=stop.actor,
                        reason=f"{stop.reason} (done by one machine before the database had it)",
                        figures={**stop.figures, "ordered_at": stop.at},
                    )
            await self._follow()
            self._stop_file.remove(rollout_id)


def _over(status: Status) -> bool:
    return status in (Status.ROLLED_BACK, Status.ABORTED)
