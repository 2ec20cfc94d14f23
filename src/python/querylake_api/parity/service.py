"""Everything about parity in one worker, made once and kept while configurations come and go."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from answer_parity.traffic import TrafficJudge
from querylake_api.configuration.corpus_key import corpus_key
from querylake_api.event_loop.background import in_background
from querylake_api.observability.metrics import Metrics
from querylake_api.parity.corpus import Corpus
from querylake_api.parity.judging import Live, PairJudges, RolloutParity, take_in
from querylake_api.parity.plan import ParityPlan
from querylake_api.parity.repository import ParityRepository, about
from querylake_api.parity.sealing import Seal, SealBroken
from querylake_api.persistence.database import Database
from querylake_api.settings import ParitySettings

EXAMPLES = 10
"""How many requests that differ are shown of a rollout."""


@dataclass(frozen=True, slots=True)
class RolloutExample:
    """A request that both stacks answered differently."""

    pair: dict[str, Any]
    request: Any
    old: str
    new: str


class Parity:
    """One worker's part in parity.

    Attributes:
        corpus: records requests.
        judges: holds what pairs of live rollouts have shown.
    """

    def __init__(self, database: Database, metrics: Metrics) -> None:
        self.repository = ParityRepository(database)
        self.corpus = Corpus(self.repository)
        self.judges = PairJudges(self.repository)
        self._tokens = metrics.counter(
            "querylake_parity_tokens",
            "Tokens spent on parity pairs of rollouts.",
            *("model", "stack"),
        )

        self._bridged = metrics.counter(
            "querylake_bridged_requests",
            "Requests with a field under its former name.",
            *("model", "bridge"),
        )

    @asynccontextmanager
    async def running(self, live: Live) -> AsyncIterator[None]:
        """Store, prune and judge until the block ends."""

        async def judge() -> None:
            await self.judges.run(live)

        async with in_background(
            {"the recording of requests": self.corpus.run, "the judging of pairs": judge}
        ):
            yield

    def adopt(self, settings: ParitySettings) -> None:
        """Record by these settings from now on; the key is known to be there."""
        corpus = settings.corpus
        self.corpus.settings = corpus
        if corpus is not None:
            self.corpus.seal = Seal(corpus_key(corpus.key_env, os.environ))

    def count_bridged(self, model: str, bridge: str) -> None:
        """Count a request that went over a bridge."""
        labels = (model, bridge)
        self._bridged.values[labels] = self._bridged.values.get(labels, 0.0) + 1

    def count_copy(self, model: str, bridge: str) -> None:
        """Take a copy that went over a bridge: it is no request of a caller, and not counted."""

    def count(self, model: str, stack: str, tokens: int) -> None:
        """Count the tokens of one answer of a pair."""
        labels = (model, stack)
        self._tokens.values[labels] = self._tokens.values.get(labels, 0.0) + tokens

    async def recorded(self, route: str, model: str | None, limit: int) -> list[bytes]:
        """Return recorded requests as they came, newest first; what does not open is left out.

        Raises:
            DatabaseUnavailable: nobody can say.
        """
        seal = self.corpus.seal
        if seal is None:
            return []
        opened = []
        for each in await self.repository.requests(route, model, limit):
            try:
                opened.append(seal.open(each.sealed, each.about))
            except SealBroken:
                continue
        return opened

    async def of_rollout(
        self, rollout_id: str, plan: ParityPlan
    ) -> tuple[dict[str, Any], list[RolloutExample]]:
        """Return what a rollout's pairs have shown, and examples where texts may be kept.

        Raises:
            DatabaseUnavailable: nobody can say.
        """
        known = RolloutParity(TrafficJudge(plan.margin))
        await take_in(self.repository, rollout_id, known)
        examples: list[RolloutExample] = []
        seal = self.corpus.seal
        if seal is not None:
            for seen in await self.repository.examples(rollout_id, EXAMPLES):
                if seen.sealed is None:
                    continue
                try:
                    text = json.loads(seal.open(seen.sealed, about(rollout_id, seen.key_id)))
                except SealBroken:
                    continue
                examples.append(
                    RolloutExample(seen.pair, text["request"], text["old"], text["new"])
                )
        return known.judge.document(), examples
