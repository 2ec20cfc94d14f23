"""The one that judges and acts: about once a second, in whichever worker holds the lease.

Evidence grows in memory, off the event loop, by what each look finds. Every `KEEP_SECONDS`, and
with every decision, it is kept in the database, in one transaction with the removal of the reports
that it is made of. A process that is killed leaves the last evidence and all reports since, so its
successor counts each of them once and goes on from there.
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
from querylake_api.rollouts.control.after_promotion import AfterPromotion, WayBack
from querylake_api.rollouts.control.agenda import agenda
from querylake_api.rollouts.control.gates import GateEvidence, Gates
from querylake_api.rollouts.judging.decision import Decision, decide
from querylake_api.rollouts.judging.sentences import reason
from querylake_api.rollouts.judging.trial import Trial
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
    keep_evidence,
    kept_evidence,
    reported,
)
from querylake_api.rollouts.records.transition import as_sentence, transition
from rollout_statistics.verdict import SignalVerdict

INTERVAL_SECONDS = 1.0
MAX_BAKE_STEP = 3.0
"""Time that a step bakes is counted while somebody watches, by a clock that cannot be set. More
than this between two looks was a pause of ours."""

KEEP_SECONDS = 30.0
"""What grows with the keys is written so often, and not with each look."""

ACTOR = "controller"

_log = logging.getLogger(__name__)


class Controller:
    """Judges every live rollout.

    Args:
        blind_spots: tells what is not known of a rollout's candidate, in clauses.
        way_back: tells whether the stable stack of a promoted rollout could take everything.
        own_alarms: the alarms of this process, which need not wait for the database.
        clock: seconds, of a clock that cannot be set.
        keep_seconds: see `KEEP_SECONDS`.

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
        way_back: Callable[[Rollout], WayBack] = lambda _: "open",
        clock: Callable[[], float] = time.monotonic,
        keep_seconds: float = KEEP_SECONDS,
    ) -> None:
        self._repository = repository
        self._lease = lease
        self._gates = gates
        self._blind_spots = blind_spots
        self._own_alarms = own_alarms
        self._clock = clock
        self._keep_seconds = keep_seconds
        self._trials: dict[str, Trial] = {}
        self._promoted = AfterPromotion(way_back, ACTOR)
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
            self._trials.clear()
            self._promoted.keep(())
            return
        now = self._clock()
        if self._looked_at is None:
            # Another process may have judged meanwhile: what it has kept is what holds.
            self._trials.clear()
            self._promoted.keep(())
            await self._repository.forget_dead_workers()
        passed = 0.0 if self._looked_at is None else min(now - self._looked_at, MAX_BAKE_STEP)
        self._looked_at = now
        due = await agenda(self._repository.database)
        alarms = await self._alarms() if due.live or due.watched else {}
        self._trials = {name: each for name, each in self._trials.items() if name in due.live}
        for rollout_id in due.live:
            finished = await self._judge(rollout_id, passed, alarms.get(rollout_id, []))
            if finished is not None:
                await self._finish(finished)
        self._promoted.keep(due.watched)
        for rollout_id in due.watched:
            async with self._repository.database.begin() as connection:
                await self._lease.check(connection)
                await self._promoted.look(connection, rollout_id, alarms.get(rollout_id, []))
        if due.live or due.watched:
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
                self._trials.pop(rollout_id, None)
                return None
            trial = self._trials.pop(rollout_id, None)
            if trial is None:
                kept = await kept_evidence(connection, rollout_id)
                trial = await asyncio.to_thread(Trial, rollout.plan, kept)
            reports = await reported(connection, rollout_id, trial.rows)
            step = rollout.course.step
            verdicts = await asyncio.to_thread(trial.look, step, passed, reports)
            running = rollout.course.status is Status.RUNNING
            baked = rollout.baked_seconds + (passed if running else 0.0)
            decision = decide(
                rollout.plan,
                rollout.course,
                baked_seconds=baked,
                verdicts=verdicts,
                alarms=alarms,
                blind_spots=self._blind_spots(rollout),
            )
            judgement = _document(rollout, decision, verdicts, trial)
            await change(connection, rollout_id, baked_seconds=baked, judgement=judgement)
            action = {"rollback": Action.ROLLBACK, "advance": Action.ADVANCE}.get(decision.next)
            due = action is not None or trial.elapsed - trial.kept_at >= self._keep_seconds
            if due and trial.rows:
                document = await asyncio.to_thread(trial.document)
                await keep_evidence(connection, rollout_id, document, trial.rows)
            if action is not None:
                figures = {
                    "signals": judgement["signals"],
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
        # Only now: had the transaction failed, the next look would begin with what was kept.
        if due:
            trial.rows, trial.kept_at = [], trial.elapsed
        self._trials[rollout_id] = trial
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


def _document(
    rollout: Rollout, decision: Decision, verdicts: Sequence[SignalVerdict], trial: Trial
) -> dict[str, Any]:
    policy = rollout.plan.judging.policy()
    document: dict[str, Any] = {
        "next": decision.next,
        "reason": as_sentence(decision.reason),
        "signals": [{**asdict(verdict), "reason": reason(policy, verdict)} for verdict in verdicts],
        "listed_requests": trial.evidence.listed_requests,
    }
    if rollout.judgement is not None and "refusal" in rollout.judgement:
        document["refusal"] = rollout.judgement["refusal"]
    return document
