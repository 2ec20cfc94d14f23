"""From the pairs of a rollout to what follows: a reason to roll back, or one to wait."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from answer_parity.traffic import TrafficJudge
from answer_parity.verdict import Standing
from querylake_api.parity.pairing import from_document
from querylake_api.parity.plan import ParityPlan
from querylake_api.parity.repository import ParityRepository
from querylake_api.persistence.errors import DatabaseUnavailable

LOOK_SECONDS = 1.0
PAGE = 1000

Live = Callable[[], Iterable[tuple[str, ParityPlan]]]
"""Returns the live rollouts that make pairs."""

_log = logging.getLogger(__name__)


@dataclass
class RolloutParity:
    """What is known of one rollout's pairs, and up to which."""

    judge: TrafficJudge
    last: int = 0


@dataclass
class PairJudges:
    """Reads pairs as they come, and holds the state of each rollout's tests.

    The state is made of the stored pairs alone: another process that takes over reads them again
    and comes to the same.
    """

    repository: ParityRepository
    judges: dict[str, RolloutParity] = field(default_factory=dict)

    async def look(self, live: Iterable[tuple[str, ParityPlan]]) -> None:
        """Take in what has come of the live rollouts.

        Raises:
            DatabaseUnavailable: the rest comes with the next look.
        """
        plans = dict(live)
        self.judges = {name: each for name, each in self.judges.items() if name in plans}
        for rollout_id, plan in plans.items():
            known = self.judges.setdefault(rollout_id, RolloutParity(TrafficJudge(plan.margin)))
            await take_in(self.repository, rollout_id, known)

    async def run(self, live: Live) -> None:
        """Look again and again until cancelled."""
        while True:
            try:
                await self.look(live())
            except DatabaseUnavailable as error:
                _log.debug("no look at pairs: %s", error)
            await asyncio.sleep(LOOK_SECONDS)

    def alarms(self) -> dict[str, list[str]]:
        """Return why rollouts must go back, by rollout."""
        return {
            rollout_id: [known.judge.sentence()]
            for rollout_id, known in self.judges.items()
            if known.judge.standing is Standing.DIFFERENT
        }

    def missing(self, rollout_id: str, plan: ParityPlan | None) -> str | None:
        """Return what the last step still waits for; None if nothing."""
        if plan is None or not plan.required:
            return None
        known = self.judges.get(rollout_id)
        if known is None:
            return "the pairs of answers have not been looked at"
        return None if known.judge.standing is Standing.EQUIVALENT else known.judge.sentence()


async def take_in(repository: ParityRepository, rollout_id: str, known: RolloutParity) -> None:
    """Take in what was stored since the last time.

    Raises:
        DatabaseUnavailable: the rest comes with the next look.
    """
    while True:
        page = await repository.pairs(rollout_id, known.last, PAGE)
        for seen in page:
            known.judge.add(from_document(seen.pair))
            known.last = seen.id
        if len(page) < PAGE:
            return
