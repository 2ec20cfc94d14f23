"""The one that judges and acts: about once a second, in whichever worker holds the lease.

Everything that one look changes is one transaction: the outcomes it took, the evidence they made,
the decision and its event. A process that is killed leaves either all of it or nothing, and its
successor goes on from there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from querylake_api.errors import ApiError
from querylake_api.event_loop.background import pause
from querylake_api.persistence.errors import DatabaseUnavailable
from querylake_api.rollouts.control.agenda import agenda
from querylake_api.rollouts.control.gates import GateEvidence, Gates
from querylake_api.rollouts.judging.decision import Decision, decide
from querylake_api.rollouts.judging.evidence import Evidence
from querylake_api.rollouts.judging.verdict import SignalVerdict, judge
from querylake_api.rollouts.records.flips import measure_flips
from querylake_api.rollouts.records.lease import Lease, LeaseLost
from querylake_api.rollouts.records.lifecycle import Action, Status
from querylake_api.rollouts.records.repository import (
    ALIVE_SECONDS,
    Event,
    Rollout,
    RolloutRepository,
    append,
    change,
    find,
    take_outcomes,
)
from querylake_api.rollouts.records.transition import as_sentence, transition

INTERVAL_SECONDS = 1.0
MAX_BAKE_STEP = 3.0
"""Time that a step bakes is counted while somebody watches, by a clock that cannot be set. More
than this between two looks was a pause of ours."""

ACTOR = "controller"

_log = logging.getLogger(__name__)


class Controller:
    """Judges every live rollout.

    Args:
        blind_spots: tells what is not known of a rollout's candidate, in clauses.
        own_alarms: the alarms of this process, which need not wait for the database.
        clock: seconds, of a clock that cannot be set.

    Attributes:
        hurry: set when there may be an alarm to act on.
        news: set when something has happened that was not announced.
    """

    def __init__(
        self,
        repository: RolloutRepository,
        lease: Lease,
        gates: Callable[[], Gates],
        blind_spots: Callable[[Rollout], list[str]],
        own_alarms: Callable[[], Mapping[str, Sequence[str]]] = dict,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._repository = repository
        self._lease = lease
        self._gates = gates
        self._blind_spots = blind_spots
        self._own_alarms = own_alarms
        self._clock = clock
        self._looked_at: float | None = None
        self.hurry = asyncio.Event()
        self.news = asyncio.Event()

    @property
    def acting(self) -> bool:
        """Whether this process holds the lease."""
        return self._lease.token is not None

    async def run(self) -> None:
        """Look again and again until cancelled; then let the next process have the lease."""
        try:
            while True:
                try:
                    await self.look()
                except (DatabaseUnavailable, LeaseLost) as error:
                    self._looked_at = None
                    _log.debug("no look at the rollouts: %s", error)
                except Exception:  # noqa: BLE001 - whatever one look meets, the next must come
                    self._looked_at = None
                    _log.exception("the rollouts could not be looked at")
                await pause(INTERVAL_SECONDS, self.hurry)
        finally:
            if self.acting:
                with suppress(DatabaseUnavailable):
                    await self._lease.release()

    async def look(self) -> None:
        """Judge every live rollout once, if this process holds the lease.

        Raises:
            DatabaseUnavailable: nothing was changed; what workers counted is still there.
            LeaseLost: likewise.
        """
        if not await self._lease.claim():
            self._looked_at = None
            return
        now = self._clock()
        if self._looked_at is None:
            await self._repository.forget_dead_workers()
        passed = 0.0 if self._looked_at is None else min(now - self._looked_at, MAX_BAKE_STEP)
        self._looked_at = now
        due = await agenda(self._repository.database)
        alarms = await self._alarms() if due.live else {}
        for rollout_id in due.live:
            finished = await self._judge(rollout_id, passed, alarms.get(rollout_id, []))
            if finished is not None:
                await self._finish(finished)
        if due.live:
            due = await agenda(self._repository.database)  # there may be a change of this look
        if due.news:
            self.news.set()
        if due.flips:
            async with self._repository.database.begin() as connection:
                await self._lease.check(connection)
                await measure_flips(connection, ALIVE_SECONDS)

    async def _alarms(self) -> dict[str, list[str]]:
        found = {name: list(sentences) for name, sentences in self._own_alarms().items()}
        for alarms in await self._repository.alarms():
            for rollout_id, sentences in alarms.items():
                known = found.setdefault(rollout_id, [])
                known += [sentence for sentence in sentences if sentence not in known]
        return found

    async def _judge(
        self, rollout_id: str, passed: float, alarms: Sequence[str]
    ) -> tuple[Rollout, Decision] | None:
        """Take in what was counted, decide, and act; return it if its last step is over."""
        async with self._repository.database.begin() as connection:
            await self._lease.check(connection)
            rollout = await find(connection, rollout_id, lock=True)
            if rollout is None or not rollout.course.status.live:
                return None
            evidence = Evidence.of(rollout.plan.judging.policy(), rollout.evidence)
            step = rollout.course.step
            if evidence.step != step:
                evidence.begin_step(step)
            counts = await take_outcomes(connection, rollout_id, step)
            if counts:
                evidence.fold(counts)
            running = rollout.course.status is Status.RUNNING
            baked = rollout.baked_seconds + (passed if running else 0.0)
            verdicts = judge(evidence, _share(rollout))
            blind_spots = self._blind_spots(rollout)
            decision = decide(
                rollout.plan,
                rollout.course,
                baked_seconds=baked,
                verdicts=verdicts,
                alarms=alarms,
                blind_spots=blind_spots,
            )
            values: dict[str, Any] = {
                "baked_seconds": baked,
                "judgement": _document(decision, verdicts, rollout.judgement),
            }
            if counts or rollout.evidence is None or evidence.step != rollout.evidence["step"]:
                values["evidence"] = evidence.document()
            await change(connection, rollout_id, **values)
            action = {"rollback": Action.ROLLBACK, "advance": Action.ADVANCE}.get(decision.next)
            if action is not None:
                figures = {
                    "signals": [asdict(verdict) for verdict in verdicts],
                    "alarms": list(alarms),
                    "baked_seconds": round(baked, 1),
                }
                await transition(
                    connection,
                    rollout_id,
                    action,
                    actor=ACTOR,
                    reason=as_sentence(decision.reason),
                    figures=figures,
                )
        return (rollout, decision) if decision.next == "finish" else None

    async def _finish(self, finished: tuple[Rollout, Decision]) -> None:
        """Promote, if that is wanted and the gates hold; otherwise say once what is missing."""
        rollout, decision = finished
        evidence: GateEvidence | None = None
        refusal = "waiting for an operator, as the plan says"
        if rollout.plan.auto_promote:
            evidence = await self._gates().evidence()
            refusal = evidence.refusal or ""
        async with self._repository.database.begin() as connection:
            await self._lease.check(connection)
            if not refusal and evidence is not None:
                with suppress(ApiError):  # an operator was faster
                    await transition(
                        connection,
                        rollout.id,
                        Action.PROMOTE,
                        actor=ACTOR,
                        reason=as_sentence(decision.reason),
                        figures={"gates": evidence.document},
                    )
                return
            if (rollout.judgement or {}).get("refusal") == refusal:
                return
            current = await find(connection, rollout.id, lock=True)
            if current is None or not current.course.status.live:
                return
            judgement = {**(current.judgement or {}), "refusal": refusal}
            await change(connection, rollout.id, judgement=judgement)
            sentence = f"Ready to be promoted, but not promoted: {as_sentence(refusal)}"
            figures = {} if evidence is None else {"gates": evidence.document}
            await append(connection, rollout.id, Event("held", ACTOR, sentence, figures))


def _share(rollout: Rollout) -> float:
    step = rollout.plan.steps[rollout.course.step]
    return step.percent / 100 if rollout.plan.sticky and not step.shadow_percent else 0.0


def _document(
    decision: Decision, verdicts: Sequence[SignalVerdict], before: Mapping[str, Any] | None
) -> dict[str, Any]:
    document: dict[str, Any] = {
        "next": decision.next,
        "reason": as_sentence(decision.reason),
        "signals": [asdict(verdict) for verdict in verdicts],
    }
    if before is not None and "refusal" in before:
        document["refusal"] = before["refusal"]
    return document
