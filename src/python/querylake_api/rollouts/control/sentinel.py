"""Each worker's watch over the engines of live rollouts, and its power to act alone.

An alarm goes to the controller. If that has done nothing about it soon, for want of a database or
of a controller, this machine takes its traffic back by itself, and has it written down later.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from querylake_api.rollouts.judging.triggers import EngineWatch
from querylake_api.rollouts.records.plan import Judging
from querylake_api.rollouts.records.split import Split
from querylake_api.rollouts.records.stops import Stop
from querylake_api.rollouts.routing.assignment import RolloutAssignment
from querylake_api.upstreams.pace import Pace
from querylake_api.upstreams.upstream import Upstream

LOOK_SECONDS = 0.25
PATIENCE_SECONDS = 1.5
"""How long the controller may take to act on an alarm."""

LOOK_INTERVAL = 0.5
"""Seconds between two looks at the engines of a live rollout, the stable ones too: what is done to
one stack must be done to the other."""

CANDIDATE_TIMEOUT = 1.0
"""Seconds that a look at a candidate may take at least. It may take twice as long as a look at the
stable stack takes at the same time, within the upstream's own limit: a machine that is busy makes
both slow."""

ACTOR = "sentinel"

_log = logging.getLogger(__name__)


class Engines(NamedTuple):
    """The engines of both stacks of a rollout, as far as the configuration has them."""

    stable: list[Upstream]
    candidates: list[Upstream]


class Sentinel:
    """Watches.

    Args:
        engines_of: finds a rollout's engines.
        judging_of: finds what a rollout's plan says of alarms.
        longest_wait_of: finds for how many seconds a request to the stable stack of a model has
            waited for a token lately.
        stop: takes a rollout's traffic back on this machine.

    Attributes:
        alarms: sentences that say why a rollout has to end at once, by rollout.
        hurry: to be set when there may be something to watch.
        changed: set when there are other alarms than before.
    """

    def __init__(
        self,
        assignment: RolloutAssignment,
        engines_of: Callable[[Split], Engines],
        judging_of: Callable[[str], Judging],
        longest_wait_of: Callable[[str], float],
        stop: Callable[[str, Stop], None],
    ) -> None:
        self._assignment = assignment
        self._engines_of = engines_of
        self._judging_of = judging_of
        self._longest_wait_of = longest_wait_of
        self._stop = stop
        self._watches: dict[str, EngineWatch] = {}
        self._paced: list[Upstream] = []
        self._since: dict[str, float] = {}
        self.alarms: Mapping[str, list[str]] = {}
        self.hurry = asyncio.Event()
        self.changed: list[asyncio.Event] = []

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                self.look(time.monotonic())
            except OSError as error:
                _log.error("a rollback could not be ordered on this machine: %s", error)
            if self._watches:
                await asyncio.sleep(LOOK_SECONDS)
            else:
                await self.hurry.wait()
                self.hurry.clear()

    def look(self, now: float) -> None:
        """Look once.

        Args:
            now: seconds of a clock that cannot be set.

        Raises:
            OSError: the state folder cannot be written to.
        """
        live = {split.rollout_id: split for split in self._assignment.splits() if split.judged}
        engines = {name: self._engines_of(split) for name, split in live.items()}
        self._pace(engines.values())
        self._watches = {name: self._watches.get(name) or EngineWatch() for name in live}
        alarms = {
            name: (
                []
                if live[name].watched and not any(each.in_rotation for each in engines[name].stable)
                else self._watches[name].alarms(
                    [each.facts() for each in engines[name].stable],
                    [each.facts() for each in engines[name].candidates],
                    self._judging_of(name),
                    self._longest_wait_of(live[name].model),
                )
            )
            for name in live
        }
        self._raise({name: sentences for name, sentences in alarms.items() if sentences}, now)

    def _raise(self, alarms: dict[str, list[str]], now: float) -> None:
        if alarms != self.alarms:
            self.alarms = alarms
            for event in self.changed:
                event.set()
        self._since = {name: self._since.get(name, now) for name in alarms}
        for name, since in self._since.items():
            if now - since >= PATIENCE_SECONDS:
                reason = "; ".join(alarms[name])
                _log.error("rollout %s is rolled back on this machine: %s", name, reason)
                figures = {"alarms": alarms[name], "waited_seconds": round(now - since, 2)}
                self._stop(name, Stop(ACTOR, reason, time.time(), figures))

    def _pace(self, all_engines: Collection[Engines]) -> None:
        """Have the engines of live rollouts looked at more often, and no others."""
        paced: list[Upstream] = []
        for engines in all_engines:
            for upstream in engines.stable:
                upstream.pace = Pace(LOOK_INTERVAL, float("inf"))
            slowest = max((each.facts().look_seconds for each in engines.stable), default=0.0)
            patient = Pace(LOOK_INTERVAL, max(CANDIDATE_TIMEOUT, 2 * slowest))
            for upstream in engines.candidates:
                upstream.pace = patient
            paced += [*engines.stable, *engines.candidates]
        for upstream in self._paced:
            if upstream not in paced:
                upstream.pace = None
        self._paced = paced
