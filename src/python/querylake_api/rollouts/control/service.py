"""What can be done with rollouts, whoever asks."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from querylake_api.errors import ApiError
from querylake_api.inference.catalog import Catalog, Model
from querylake_api.persistence.errors import DatabaseUnavailable
from querylake_api.rollouts.control.agreement import compare
from querylake_api.rollouts.control.gates import Gates
from querylake_api.rollouts.control.prompt import Prompt
from querylake_api.rollouts.records.errors import (
    database_away,
    embeddings_need_consent,
    no_candidate,
    not_ready,
    rollout_not_found,
    stacks_disagree,
    unknown_model,
)
from querylake_api.rollouts.records.lifecycle import Action
from querylake_api.rollouts.records.plan import RolloutPlan
from querylake_api.rollouts.records.repository import Event, Rollout, RolloutRepository
from querylake_api.rollouts.records.stops import Stop
from querylake_api.rollouts.records.transition import transition
from querylake_api.rollouts.routing.follower import Follower

WATCH_SECONDS = 0.5

ANSWER_SECONDS = 0.4
"""How long the answer to a rollback waits for the database. The traffic has gone back by then."""

READ_SECONDS = 1.0
"""How long who asks for a rollout waits for the database before memory has to do. Once it was so
long, the next do not wait until it is back."""


class RolloutService:
    """Creates rollouts and moves them, in this worker, for all of them."""

    def __init__(self, repository: RolloutRepository, follower: Follower) -> None:
        self._repository = repository
        self._follower = follower
        self._prompt = Prompt(repository.database.where)

    @property
    def _away(self) -> bool:
        """Whether the database is known to say nothing."""
        return self._follower.failure is not None or self._prompt.late

    async def create(self, plan: RolloutPlan, catalog: Catalog, actor: str) -> Rollout:
        """Store a draft.

        Raises:
            ApiError: the model is unknown, or has nothing to roll out.
        """
        model = _model(plan.model, catalog)
        rollout_id = "rollout_" + secrets.token_hex(8)
        values: dict[str, Any] = {
            "id": rollout_id,
            "model": model.id,
            "candidates": sorted({target.upstream for target in model.candidates}),
            "plan": plan.model_dump(mode="json"),
            "salt": secrets.token_hex(8),
            "status": "draft",
            "created_by": actor,
        }
        _check_consent(plan, model)
        shares = ", ".join(f"{step.percent:g}%" for step in plan.steps)
        event = Event(
            "created", actor, f"Created for {model.id}: {shares}.", {"plan": values["plan"]}
        )
        try:
            await self._repository.add(values, event)
        except DatabaseUnavailable:
            raise database_away() from None
        return await self.get(rollout_id)

    async def get(self, rollout_id: str) -> Rollout:
        """Return a rollout: without the database, as this process last knew it.

        Raises:
            ApiError: there is none, or nobody can say.
        """
        known = self._follower.known(rollout_id)
        if known is not None and self._away:
            return known
        query = self._repository.get(rollout_id)
        try:
            if known is None and not self._away:
                rollout = await query  # only the database can say
            else:
                seconds = ANSWER_SECONDS if known is None else READ_SECONDS
                rollout = await self._prompt.within(seconds, query)
        except DatabaseUnavailable:
            if known is not None:
                return known
            raise database_away() from None
        if rollout is None:
            raise rollout_not_found(rollout_id)
        return rollout

    async def page(self) -> list[Rollout]:
        """Return rollouts, newest first: without the database, each model's last one."""
        if self._away:
            return self._remembered()
        try:
            return await self._prompt.within(READ_SECONDS, self._repository.page())
        except DatabaseUnavailable:
            return self._remembered()

    def _remembered(self) -> list[Rollout]:
        known = self._follower.rollouts()
        return sorted(known, key=lambda rollout: rollout.created_at, reverse=True)

    async def events(self, rollout_id: str, after: int = 0) -> list[Event]:
        """Return what happened to a rollout, oldest first; nothing without the database."""
        rollout = await self.get(rollout_id)
        if self._away:
            return []
        events = self._repository.events(rollout.id, after)
        try:
            return await self._prompt.within(READ_SECONDS, events)
        except DatabaseUnavailable:
            return []

    async def watch(self, rollout_id: str) -> AsyncIterator[Event | None]:
        """Yield every event from the first, as it happens; None every half second between."""
        last = 0
        while True:
            for event in await self.events(rollout_id, last):
                last = event.id
                yield event
            yield None
            await asyncio.sleep(WATCH_SECONDS)

    async def start(self, rollout_id: str, catalog: Catalog, actor: str, reason: str) -> Rollout:
        """Begin the first step.

        Raises:
            ApiError: there are no such candidates now, or the stacks' vectors disagree.
        """
        rollout = await self.get(rollout_id)
        model = _model(rollout.model, catalog)
        _check_consent(rollout.plan, model)
        figures: dict[str, Any] = {}
        if _index_bound(model):
            agreement = await compare(model)
            figures["agreement"] = agreement.figures
            if agreement.refusal is not None:
                raise stacks_disagree(agreement.refusal)
        return await self._do(rollout_id, Action.START, actor, reason, figures)

    async def pause(self, rollout_id: str, actor: str, reason: str) -> Rollout:
        """Keep the shares as they are until resumed."""
        return await self._do(rollout_id, Action.PAUSE, actor, reason)

    async def resume(self, rollout_id: str, actor: str, reason: str) -> Rollout:
        """Go on."""
        return await self._do(rollout_id, Action.RESUME, actor, reason)

    async def abort(self, rollout_id: str, actor: str, reason: str) -> Rollout:
        """End it without a verdict."""
        return await self._do(rollout_id, Action.ABORT, actor, reason)

    async def promote(
        self,
        rollout_id: str,
        gates: Gates,
        actor: str,
        reason: str,
        override: tuple[str, str] | None,
    ) -> Rollout:
        """Give the candidate everything.

        Args:
            override: who answers for it, and why, where the conditions do not hold.

        Raises:
            ApiError: the rollout is not through its last step, or the gates do not hold.
        """
        rollout = await self.get(rollout_id)
        refusals = []
        if (rollout.judgement or {}).get("next") != "finish":
            said = (rollout.judgement or {}).get("reason", "It was not judged yet.")
            refusals.append(f"it is not through its last step ({said.rstrip('.')})")
        evidence = await gates.evidence()
        if evidence.refusal is not None:
            refusals.append(evidence.refusal)
        figures: dict[str, Any] = {"gates": evidence.document}
        if refusals and override is None:
            raise not_ready("; ".join(refusals))
        if refusals and override is not None:
            figures["overridden"] = refusals
            who, why = override
            reason = f"{who} overrode what was missing ({'; '.join(refusals)}): {why}"
        return await self._do(rollout_id, Action.PROMOTE, actor, reason, figures)

    async def rollback(self, rollout_id: str, actor: str, reason: str) -> tuple[str, bool]:
        """Give the stable stack everything: on this machine at once, whatever the database does.

        Returns:
            The status, and whether the database has it already.

        Raises:
            ApiError: the rollout is in no state for that.
        """
        known = self._follower.known(rollout_id)
        if known is None:
            rollout = await self._do(rollout_id, Action.ROLLBACK, actor, reason)
            return rollout.course.status.value, True
        stop = Stop(actor, reason, time.time())
        self._follower.order_stop(rollout_id, stop)
        # The database may have it much later than the traffic went back.
        figures = {"ordered_at": stop.at}
        work = self._write(rollout_id, Action.ROLLBACK, actor, reason, figures)
        try:
            rollout = await self._prompt.within(ANSWER_SECONDS, work)
        except DatabaseUnavailable:
            # The order stays on this machine, and the follower brings it to the database.
            return "rolled_back", False
        except ApiError:
            self._follower.withdraw_stop(rollout_id)
            raise
        await self._follower.look()
        self._follower.withdraw_stop(rollout_id)
        return rollout.course.status.value, True

    async def _do(
        self,
        rollout_id: str,
        action: Action,
        actor: str,
        reason: str,
        figures: Mapping[str, Any] | None = None,
    ) -> Rollout:
        try:
            rollout = await self._write(rollout_id, action, actor, reason, figures or {})
        except DatabaseUnavailable:
            raise database_away() from None
        await self._follower.look()
        return rollout

    async def _write(
        self, rollout_id: str, action: Action, actor: str, reason: str, figures: Mapping[str, Any]
    ) -> Rollout:
        async with self._repository.database.begin() as connection:
            return await transition(
                connection, rollout_id, action, actor=actor, reason=reason, figures=figures
            )


def _model(name: str, catalog: Catalog) -> Model:
    for model in catalog.models:
        if name == model.id or name in model.aliases:
            if not model.candidates:
                raise no_candidate(model.id)
            return model
    raise unknown_model(name, [model.id for model in catalog.models])


def _index_bound(model: Model) -> bool:
    return bool(model.capabilities & {"embeddings", "rerank"})


def _check_consent(plan: RolloutPlan, model: Model) -> None:
    if "embeddings" in model.capabilities and not plan.allow_embeddings:
        raise embeddings_need_consent(model.id)
