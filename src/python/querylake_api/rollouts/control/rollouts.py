"""Everything about rollouts in one worker, made once and kept while configurations come and go."""

# interpreted: a request asks it only which pairs are wanted.

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from querylake_api.configuration.loading import Configuration
from querylake_api.event_loop.background import in_background
from querylake_api.inference.catalog import Model
from querylake_api.parity.judging import PairJudges
from querylake_api.parity.plan import ParityPlan
from querylake_api.persistence.database import Database
from querylake_api.rollouts.control.after_promotion import WayBack
from querylake_api.rollouts.control.controller import Controller
from querylake_api.rollouts.control.gates import Gates
from querylake_api.rollouts.control.reporter import Reporter
from querylake_api.rollouts.control.sentinel import Engines, Sentinel
from querylake_api.rollouts.control.service import RolloutService
from querylake_api.rollouts.control.webhooks import Webhooks
from querylake_api.rollouts.judging.triggers import blind_spots
from querylake_api.rollouts.records.lease import Lease
from querylake_api.rollouts.records.plan import Judging
from querylake_api.rollouts.records.repository import Rollout, RolloutRepository
from querylake_api.rollouts.records.split import Split
from querylake_api.rollouts.records.stops import StopFile
from querylake_api.rollouts.routing.assignment import RolloutAssignment, about
from querylake_api.rollouts.routing.follower import Follower
from querylake_api.rollouts.routing.outcome_recorder import OutcomeRecorder
from querylake_api.upstreams.registry import Upstreams

Present = Callable[[], tuple[Configuration, Upstreams]]
"""Returns the configuration of this moment, and its engines."""


class Rollouts:
    """One worker's part in all rollouts.

    Attributes:
        assignment: decides each request's stack.
        recorder: a sink of finished requests.
    """

    def __init__(self, database: Database, state: Path, pairs: PairJudges) -> None:
        self._present: Present | None = None
        self._database = database
        self._worker = secrets.token_hex(8)
        self._telling: set[str] = set()
        self._pairs = pairs
        self.assignment = RolloutAssignment()
        self.recorder = OutcomeRecorder(self.assignment)
        self.repository = RolloutRepository(database)
        self.follower = Follower(self.repository, self.assignment, StopFile(state))
        self.service = RolloutService(self.repository, self.follower)
        self.sentinel = Sentinel(
            self.assignment,
            self._engines_of,
            self._judging_of,
            self.recorder.longest_wait,
            self.follower.order_stop,
        )
        self._reporter = Reporter(
            self._worker, self.repository, self.assignment, self.recorder, self.sentinel
        )
        lease = Lease(database, self._worker)
        self.controller = Controller(
            self.repository,
            lease,
            self._gates,
            self._blind_spots,
            self._own_alarms,
            self._way_back,
        )
        self.follower.adopted += [self._reporter.hurry, self.sentinel.hurry]
        self.sentinel.changed += [self._reporter.hurry, self.controller.hurry]
        self._webhooks = Webhooks(self.repository, self.controller.news, self._secret_env)

    @asynccontextmanager
    async def running(self, present: Present) -> AsyncIterator[None]:
        """Follow, judge and act until the block ends."""
        self._present = present
        await self.follower.look()
        work = {
            "the look at rollouts": self.follower.run,
            "the look at stops": self.follower.run_stops,
            "the watch of rollouts": self.sentinel.run,
            "the report of outcomes": self._reporter.run,
            "the judging of rollouts": self.controller.run,
            "the sending of webhooks": self._webhooks.run,
        }
        async with in_background(work):
            yield

    def pairing(self, model: Model) -> tuple[str, ParityPlan] | None:
        """Return which rollout of a model makes pairs of answers, and how."""
        live = self.assignment.judged_since(model.id)
        if live is None or live[0].watched or not about(live[0], model):
            return None
        rollout = self.follower.known(live[0].rollout_id)
        if rollout is None or rollout.plan.parity is None:
            return None
        return rollout.id, rollout.plan.parity

    def all_pairing(self) -> list[tuple[str, ParityPlan]]:
        """Return every live rollout that makes pairs of answers."""
        return [
            (rollout.id, rollout.plan.parity)
            for rollout in self.follower.rollouts()
            if rollout.course.status.live and rollout.plan.parity is not None
        ]

    def _own_alarms(self) -> dict[str, list[str]]:
        found = {name: list(sentences) for name, sentences in self.sentinel.alarms.items()}
        for rollout_id, sentences in self._pairs.alarms().items():
            found.setdefault(rollout_id, []).extend(sentences)
        return found

    def _engines_of(self, split: Split) -> Engines:
        assert self._present is not None, "nothing is watched before there is a configuration"
        configuration, upstreams = self._present()
        settings = configuration.settings
        model = settings.models.get(split.model)
        roles = {} if model is None else {each.upstream: each.role for each in model.targets}
        return Engines(
            [upstreams[name] for name, role in roles.items() if role == "stable"],
            [
                upstreams[name]
                for name in sorted(split.candidates)
                # What was promoted and became the stable stack since has nowhere to go back to.
                if name in settings.upstreams
                and (split.status.live or roles.get(name) == "candidate")
            ],
        )

    def _way_back(self, rollout: Rollout) -> WayBack:
        engines = self._engines_of(rollout.split())
        if not engines.candidates or not engines.stable:
            return "gone"
        return "open" if any(each.in_rotation for each in engines.stable) else "blocked"

    def _judging_of(self, rollout_id: str) -> Judging:
        rollout = self.follower.known(rollout_id)
        assert rollout is not None, "what is routed by is known"
        return rollout.plan.judging

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
        configuration, upstreams = self._present()
        sections = configuration.settings.upstreams
        missing = [
            f"the configuration has no upstream {name!r} any more"
            for name in rollout.candidates
            if name not in sections
        ]
        facts = [upstreams[name].facts() for name in rollout.candidates if name in sections]
        supervised = frozenset(
            name for name, section in sections.items() if section.runtime_url is not None
        )
        self._telling |= {each.name for each in facts if each.requests_running is not None}
        missing += blind_spots(facts, supervised, self._telling)
        last = rollout.course.step + 1 == len(rollout.plan.steps)
        waits = self._pairs.missing(rollout.id, rollout.plan.parity) if last else None
        return missing if waits is None else [*missing, waits]
