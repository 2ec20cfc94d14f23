"""Everything about rollouts in one worker, made once and kept while configurations come and go."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from querylake_api.configuration.loading import Configuration
from querylake_api.persistence.database import Database
from querylake_api.rollouts.controller import Controller
from querylake_api.rollouts.follower import Follower
from querylake_api.rollouts.gates import Gates
from querylake_api.rollouts.lease import Lease
from querylake_api.rollouts.outcomes import OutcomeRecorder
from querylake_api.rollouts.repository import Rollout, RolloutRepository
from querylake_api.rollouts.routing import RolloutAssignment
from querylake_api.rollouts.service import RolloutService
from querylake_api.rollouts.stops import StopFile
from querylake_api.rollouts.triggers import blind_spots
from querylake_api.rollouts.webhooks import Webhooks
from querylake_api.upstreams.facts import UpstreamFacts
from querylake_api.upstreams.registry import Upstreams

Present = Callable[[], tuple[Configuration, Upstreams]]
"""Returns the configuration of this moment, and its engines."""


class Rollouts:
    """One worker's part in all rollouts.

    Attributes:
        assignment: decides each request's stack.
        recorder: a sink of finished requests.
    """

    def __init__(self, database: Database, state: Path) -> None:
        self._present: Present | None = None
        self._database = database
        self._worker = secrets.token_hex(8)
        self.assignment = RolloutAssignment()
        self.recorder = OutcomeRecorder(self.assignment)
        self.repository = RolloutRepository(database)
        stops = StopFile(state)
        self.follower = Follower(
            self._worker,
            self.repository,
            self.assignment,
            self.recorder,
            stops,
            self._facts_of,
        )
        self.service = RolloutService(self.repository, self.follower, stops)
        lease = Lease(database, self._worker)
        self.controller = Controller(self.repository, lease, self._gates, self._blind_spots)
        self._webhooks = Webhooks(self.repository, lease, self._secret_env)

    @asynccontextmanager
    async def running(self, present: Present) -> AsyncIterator[None]:
        """Follow, judge and act until the block ends."""
        self._present = present
        await self.follower.look()
        tasks = [
            asyncio.create_task(self.follower.run(), name="rollout-follower"),
            asyncio.create_task(self.controller.run(), name="rollout-controller"),
            asyncio.create_task(self._webhooks.run(), name="rollout-webhooks"),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _facts_of(self, upstream: str) -> UpstreamFacts | None:
        assert self._present is not None, "nothing is followed before there is a configuration"
        configuration, upstreams = self._present()
        if upstream not in configuration.settings.upstreams:
            return None
        return upstreams[upstream].facts()

    def _secret_env(self) -> str | None:
        assert self._present is not None, "nothing is sent before there is a configuration"
        configuration, _ = self._present()
        return configuration.settings.rollouts.webhook_secret_env

    def _gates(self) -> Gates:
        assert self._present is not None, "nothing is judged before there is a configuration"
        configuration, _ = self._present()
        return Gates(configuration.settings.rollouts.gates_command, configuration.folder)

    def _blind_spots(self, rollout: Rollout) -> list[str]:
        assert self._present is not None, "nothing is judged before there is a configuration"
        configuration, _ = self._present()
        facts = [self._facts_of(name) for name in rollout.candidates]
        missing = [
            f"the configuration has no upstream {name!r} any more"
            for name, each in zip(rollout.candidates, facts, strict=True)
            if each is None
        ]
        upstreams = configuration.settings.upstreams
        supervised = frozenset(
            name for name, section in upstreams.items() if section.runtime_url is not None
        )
        return missing + blind_spots([each for each in facts if each is not None], supervised)
