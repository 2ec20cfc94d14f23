"""Gathering the state of everything, at most once a second however many look."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import astuple
from datetime import UTC, datetime
from typing import Any

from querylake_api.console.attention import attention
from querylake_api.console.engine_identity import EngineIdentities
from querylake_api.console.schemas import (
    EngineView,
    ModelView,
    Overview,
    RolloutSummary,
    TargetView,
)
from querylake_api.inference.catalog import Model, Target
from querylake_api.observability.history import (
    COLUMNS,
    MINUTE_SECONDS,
    SHARE_MINUTES,
    Minute,
    TargetKey,
)
from querylake_api.process.components import Components
from querylake_api.rollouts.records.buckets import BUCKETS
from querylake_api.rollouts.records.repository import Rollout
from querylake_api.rollouts.routing.assignment import about
from querylake_api.rollouts.schemas import RolloutView
from querylake_api.upstreams.facts import UpstreamFacts
from querylake_api.upstreams.schemas import ServedModel, UpstreamView
from querylake_version import VERSION

CACHE_SECONDS = 1.0


class RecentOverview:
    """The overview, made when somebody asks and good for a second."""

    def __init__(self) -> None:
        self._identities = EngineIdentities()
        self._lock = asyncio.Lock()
        self._made_at = float("-inf")
        self._generation = 0
        self._document: dict[str, Any] = {}

    async def document(self, components: Components, since: int) -> dict[str, Any]:
        """Return the overview as JSON, with the minutes from `since` on."""
        async with self._lock:
            stale = time.monotonic() - self._made_at >= CACHE_SECONDS
            if stale or self._generation != components.generation:
                overview = await self._gathered(components)
                self._document = overview.model_dump(mode="json")
                self._made_at = time.monotonic()
                self._generation = components.generation
            minutes = components.history.minutes(since)
            return {**self._document, "minutes": [list(astuple(each)) for each in minutes]}

    async def _gathered(self, components: Components) -> Overview:
        readiness, (minute, totals) = await asyncio.gather(
            components.readiness.report(), components.history.now()
        )
        engines = components.upstreams.facts()
        self._identities.look(engines, components.configuration.upstreams)
        rollouts = {rollout.model: rollout for rollout in components.rollouts.follower.rollouts()}
        seen = components.history.recent_by_target(totals)
        now = datetime.now(UTC)
        recent_start = int(now.timestamp()) - SHARE_MINUTES * MINUTE_SECONDS
        recent: list[Minute] = [*components.history.minutes(recent_start), minute]
        return Overview(
            version=VERSION,
            generated_at=now,
            started_at=components.started_at,
            generation=components.generation,
            readiness=readiness.status,
            database=readiness.database,
            attention=attention(
                readiness,
                engines,
                components.catalog,
                rollouts.values(),
                recent,
                totals.lost_usage,
                now,
            ),
            engines=self._engines(components, engines),
            models=[
                _model(components, model, rollouts.get(model.id), seen)
                for model in components.catalog.models
            ],
            columns=list(COLUMNS),
            minute=list(astuple(minute)),
        )

    def _engines(self, components: Components, engines: list[UpstreamFacts]) -> list[EngineView]:
        models: dict[str, list[ServedModel]] = {}
        for model in components.catalog.models:
            for target in (*model.stable, *model.candidates):
                served = ServedModel(id=model.id, stack=target.stack)
                models.setdefault(target.upstream, []).append(served)
        views = []
        for facts in engines:
            identity = self._identities.of(facts)
            view = UpstreamView.of(facts, models.get(facts.name, [])).model_dump()
            views.append(EngineView(**view, kind=identity.kind, version=identity.version))
        return views


def _model(
    components: Components, model: Model, rollout: Rollout | None, seen: Mapping[TargetKey, int]
) -> ModelView:
    candidate = _candidate_share(components, model)
    targets = [
        *_targets(model, model.stable, 1 - candidate, seen),
        *_targets(model, model.candidates, candidate, seen),
    ]
    return ModelView(
        id=model.id,
        aliases=list(model.aliases),
        capabilities=sorted(model.capabilities),
        targets=targets,
        rollout=None if rollout is None else _summary(rollout),
    )


def _candidate_share(components: Components, model: Model) -> float:
    """Return the candidates' share of a model's requests, as a rollout has it now."""
    for split in components.rollouts.assignment.splits():
        if split.model == model.id and about(split, model):
            return split.below / BUCKETS
    return 0.0


def _targets(
    model: Model, targets: tuple[Target, ...], share: float, seen: Mapping[TargetKey, int]
) -> list[TargetView]:
    """Return the targets of a stack; the planned share of each is that of those that serve."""
    total = sum(count for (name, _, _), count in seen.items() if name == model.id)
    serving = [target for target in targets if _serves(target)] or list(targets)
    views = []
    for target in targets:
        requests = seen.get((model.id, target.upstream, target.stack), 0)
        views.append(
            TargetView(
                upstream=target.upstream,
                model=target.model,
                stack=target.stack,
                serves=_serves(target),
                planned_share=round(share / len(serving), 4) if target in serving else 0.0,
                share=round(requests / total, 4) if total else None,
                requests=requests,
            )
        )
    return views


def _serves(target: Target) -> bool:
    facts = target.engine.facts()
    return facts.in_rotation and facts.breaker != "open"


def _summary(rollout: Rollout) -> RolloutSummary:
    view = RolloutView.of(rollout)
    return RolloutSummary(
        id=view.id, title=view.plan.title, status=view.status, percent=view.percent
    )
