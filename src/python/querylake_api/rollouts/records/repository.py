"""The queries on rollouts. Every one raises `DatabaseUnavailable` when there is no answer.

Time is the database's own, so that the clocks of the machines do not matter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVarTuple, Unpack

from sqlalchemy import Float, Select, bindparam, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import Insert, distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from querylake_api.persistence.database import Database
from querylake_api.persistence.lookout import spelt
from querylake_api.persistence.notices import ROLLOUTS
from querylake_api.rollouts.records.buckets import limit
from querylake_api.rollouts.records.lifecycle import Course, Status
from querylake_api.rollouts.records.models import (
    RolloutEventRow,
    RolloutLeaseRow,
    RolloutOutcomeRow,
    RolloutRow,
    RolloutWorkerRow,
)
from querylake_api.rollouts.records.outcomes import Batch
from querylake_api.rollouts.records.plan import RolloutPlan
from querylake_api.rollouts.records.split import Split, below
from rollout_statistics.outcomes import Kind

ALIVE_SECONDS = 3
"""A worker that has said nothing for so long is taken for dead."""

Columns = TypeVarTuple("Columns")

NEXT_VERSION = text("nextval('rollout_version')")


_SHOWN = [column for column in RolloutRow.__table__.columns if column.name != "evidence"]
"""The evidence grows with the keys, and only who judges needs it."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """One rollout as it stands.

    Attributes:
        candidates: upstreams of the candidate when it was created.
        judgement: what the controller last thought, for showing.
    """

    id: str
    model: str
    candidates: tuple[str, ...]
    plan: RolloutPlan
    salt: str
    course: Course
    version: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    baked_seconds: float
    judgement: Mapping[str, Any] | None
    created_by: str

    @property
    def watched(self) -> bool:
        """Whether it is promoted and the watch that follows is not over."""
        over = (self.judgement or {}).get("watch", {}).get("over", False)
        return self.course.status is Status.PROMOTED and self.plan.watch_seconds > 0 and not over

    def split(self) -> Split:
        """Return how it splits traffic."""
        step = self.plan.steps[self.course.step]
        live = self.course.status.live
        return Split(
            rollout_id=self.id,
            model=self.model,
            candidates=frozenset(self.candidates),
            status=self.course.status,
            step=self.course.step,
            salt=self.salt,
            below=below(self.course.status, step.percent),
            shadow_below=limit(step.shadow_percent) if live else 0,
            allow=self.plan.allow,
            deny=self.plan.deny,
            sticky=self.plan.sticky,
            watched=self.watched,
        )


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a rollout.

    Attributes:
        actor: a key's id, `controller`, or the name of whoever overrode a gate.
        sentence: what happened and why, in plain words.
        figures: the numbers behind it.
    """

    kind: str
    actor: str
    sentence: str
    figures: Mapping[str, Any]
    rollout_id: str = ""
    id: int = 0
    at: datetime | None = None


class RolloutRepository:
    """Rollouts, their events, and what workers say.

    Attributes:
        changed: set when a rollout was taken further, by any process; see `persistence.notices`.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.changed = database.notices.about(ROLLOUTS)

    async def add(self, rollout: Mapping[str, Any], event: Event) -> None:
        """Store a draft."""
        async with self.database.begin() as connection:
            await connection.execute(
                insert(RolloutRow).values(**rollout, version=NEXT_VERSION, step=0)
            )
            await append(connection, rollout["id"], event)

    async def get(self, rollout_id: str) -> Rollout | None:
        """Return a rollout."""
        async with self.database.begin() as connection:
            return await find(connection, rollout_id)

    async def page(self, limit: int = 100) -> list[Rollout]:
        """Return rollouts, newest first."""
        query = select(*_SHOWN).order_by(RolloutRow.created_at.desc()).limit(limit)
        async with self.database.begin() as connection:
            return [_rollout(row) for row in await connection.execute(query)]

    async def events(self, rollout_id: str, after: int = 0, limit: int = 1000) -> list[Event]:
        """Return what happened, oldest first."""
        query = (
            select(RolloutEventRow.__table__)
            .where(RolloutEventRow.rollout_id == rollout_id, RolloutEventRow.id > after)
            .order_by(RolloutEventRow.id)
            .limit(limit)
        )
        async with self.database.begin() as connection:
            return [_event(row) for row in await connection.execute(query)]

    async def unannounced(self) -> list[Event]:
        """Return what happened and was not announced yet, oldest first."""
        return [_event(row) for row in await self.database.heartbeat.look(_UNANNOUNCED)]

    async def announced(self, event_id: int) -> None:
        """Note that everything up to an event was announced."""
        query = update(RolloutLeaseRow).values(announced=event_id)
        async with self.database.begin() as connection:
            await connection.execute(query)

    async def routing(self, known: Mapping[str, int] | None) -> list[Rollout] | None:
        """Return each model's last rollout that was started.

        Args:
            known: ids and versions of what was returned before.

        Returns:
            None if that is still so.
        """
        rows = await self.database.lookout.glance(_VERSIONS)
        if dict(rows) == known:
            return None
        query = _last_of_each_model(select(*_SHOWN))
        async with self.database.begin() as connection:
            return [_rollout(row) for row in await connection.execute(query)]

    async def report(
        self,
        worker: str,
        *,
        version: int,
        age: float,
        alarms: Mapping[str, Sequence[str]],
        number: int,
        batches: Sequence[Batch],
    ) -> None:
        """Take what a worker says, and its outcomes if this batch was not taken before.

        Args:
            age: for how many seconds the worker has been routing by its version.
            number: of the batch; grows by one with each. A worker that does not know whether a
                batch arrived sends it again under the same number.
        """
        said = {"worker": worker, "routes_by": version, "age": age, "alarms": alarms}
        if not batches:
            await self.database.heartbeat.look(_SAID, said)
            return
        async with self.database.begin() as connection:
            await connection.execute(_SAID, said)
            fresh = {"worker": worker, "number": number}
            if not (await connection.execute(_FRESH, fresh)).rowcount:
                return
            await connection.execute(
                insert(RolloutOutcomeRow),
                [
                    {
                        "rollout_id": batch.rollout_id,
                        "step": batch.step,
                        "counts": [[*kind, count] for kind, count in batch.counts.items()],
                    }
                    for batch in batches
                ],
            )

    async def alarms(self) -> list[Mapping[str, list[str]]]:
        """Return the alarms of each living worker, by rollout."""
        return [row.alarms for row in await self.database.heartbeat.look(_ALARMS)]

    async def forget_dead_workers(self) -> None:
        """Remove what processes said that ended long ago."""
        query = delete(RolloutWorkerRow).where(
            RolloutWorkerRow.seen_at < func.clock_timestamp() - text("interval '1 hour'")
        )
        async with self.database.begin() as connection:
            await connection.execute(query)


async def find(
    connection: AsyncConnection, rollout_id: str, *, lock: bool = False
) -> Rollout | None:
    """Return a rollout; with `lock`, nobody else can change it until the transaction ends."""
    query = select(*_SHOWN).where(RolloutRow.id == rollout_id)
    if lock:
        query = query.with_for_update()
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _rollout(row)


async def change(connection: AsyncConnection, rollout_id: str, **values: Any) -> None:
    """Change a rollout that the transaction has locked."""
    await connection.execute(update(RolloutRow).where(RolloutRow.id == rollout_id).values(**values))


async def append(connection: AsyncConnection, rollout_id: str, event: Event) -> None:
    """Write an event."""
    await connection.execute(
        insert(RolloutEventRow).values(
            rollout_id=rollout_id,
            kind=event.kind,
            actor=event.actor,
            sentence=event.sentence,
            figures=event.figures,
        )
    )


@dataclass(frozen=True, slots=True)
class Reported:
    """What one worker has reported once of a step.

    Attributes:
        row: its id, by which it is forgotten once it is part of the evidence that is kept.
    """

    row: int
    step: int
    counts: Counter[Kind]


async def reported(
    connection: AsyncConnection, rollout_id: str, known: Collection[int]
) -> list[Reported]:
    """Return what workers have reported, in order.

    Args:
        known: ids of what was returned before.
    """
    query = (
        select(RolloutOutcomeRow.id, RolloutOutcomeRow.step, RolloutOutcomeRow.counts)
        .where(RolloutOutcomeRow.rollout_id == rollout_id, RolloutOutcomeRow.id.not_in(known))
        .order_by(RolloutOutcomeRow.id)
    )
    rows = await connection.execute(query)
    return [Reported(row, step, _counts(kinds)) for row, step, kinds in rows]


def _counts(kinds: Sequence[Sequence[Any]]) -> Counter[Kind]:
    """Return the counts of a report; what a worker of another version reports is left out."""
    counts: Counter[Kind] = Counter()
    for *kind, count in kinds:
        if len(kind) == len(Kind._fields):
            counts[Kind(*kind)] += count
    return counts


async def forget_reports(connection: AsyncConnection, rows: Collection[int]) -> None:
    """Remove reports that nobody needs any more."""
    await connection.execute(delete(RolloutOutcomeRow).where(RolloutOutcomeRow.id.in_(rows)))


async def next_version(connection: AsyncConnection) -> int:
    """Return a version, after which every worker reads anew what it routes by."""
    version: int = (await connection.execute(select(NEXT_VERSION))).scalar_one()
    return version


async def kept_evidence(connection: AsyncConnection, rollout_id: str) -> Any:
    """Return the evidence of a rollout as it was last kept; None if it never was."""
    query = select(RolloutRow.evidence).where(RolloutRow.id == rollout_id)
    return (await connection.execute(query)).scalar_one_or_none()


async def keep_evidence(
    connection: AsyncConnection, rollout_id: str, evidence: str, rows: Collection[int]
) -> None:
    """Keep evidence, and forget the reports that it is made of, in one transaction.

    Args:
        evidence: as JSON.
        rows: the ids of the reports.
    """
    await connection.execute(_KEEP, {"id": rollout_id, "evidence": evidence})
    await forget_reports(connection, rows)


_KEEP = text("UPDATE rollouts SET evidence = CAST(:evidence AS jsonb) WHERE id = :id")


def _last_of_each_model(query: Select[Unpack[Columns]]) -> Select[Unpack[Columns]]:
    return (
        query.ext(distinct_on(RolloutRow.model))
        .where(RolloutRow.started_at.is_not(None))
        .order_by(RolloutRow.model, RolloutRow.started_at.desc())
    )


# What is asked and said all the time is put together once.

_NOW = func.clock_timestamp()
_ALIVE = text(f"interval '{ALIVE_SECONDS} seconds'")

_VERSIONS = spelt(_last_of_each_model(select(RolloutRow.id, RolloutRow.version)))

_UNANNOUNCED = (
    select(RolloutEventRow.__table__)
    .where(
        RolloutEventRow.id > select(RolloutLeaseRow.announced).scalar_subquery(),
        # Numbers become visible in the order of commits; let a slower one come first. What lies in
        # the future was written before the database's clock was set back.
        ~RolloutEventRow.at.between(_NOW - text("interval '1 second'"), _NOW),
    )
    .order_by(RolloutEventRow.id)
    .limit(100)
)

# One that was seen in the future died before the database's clock was set back.
_ALARMS = select(RolloutWorkerRow.alarms).where(
    RolloutWorkerRow.seen_at.between(_NOW - _ALIVE, _NOW + _ALIVE)
)


def _said() -> Insert:
    said = upsert(RolloutWorkerRow).values(
        id=bindparam("worker"),
        seen_at=_NOW,
        flushed=0,
        version=bindparam("routes_by"),
        acknowledged_at=_NOW - func.make_interval(0, 0, 0, 0, 0, 0, bindparam("age", type_=Float)),
        alarms=bindparam("alarms"),
    )
    return said.on_conflict_do_update(
        index_elements=["id"],
        set_={
            "seen_at": _NOW,
            "version": said.excluded.version,
            "alarms": said.excluded.alarms,
            "acknowledged_at": text(
                "CASE WHEN rollout_workers.version = excluded.version "
                "THEN rollout_workers.acknowledged_at ELSE excluded.acknowledged_at END"
            ),
        },
    )


_SAID = _said().returning(RolloutWorkerRow.id)

_FRESH = (
    update(RolloutWorkerRow)
    .where(
        RolloutWorkerRow.id == bindparam("worker"), RolloutWorkerRow.flushed < bindparam("number")
    )
    .values(flushed=bindparam("number"))
)


def _rollout(row: Any) -> Rollout:
    return Rollout(
        id=row.id,
        model=row.model,
        candidates=tuple(row.candidates),
        plan=RolloutPlan.model_validate(row.plan),
        salt=row.salt,
        course=Course(Status(row.status), row.step),
        version=row.version,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        baked_seconds=row.baked_seconds,
        judgement=row.judgement,
        created_by=row.created_by,
    )


def _event(row: Any) -> Event:
    return Event(
        id=row.id,
        rollout_id=row.rollout_id,
        at=row.at,
        kind=row.kind,
        actor=row.actor,
        sentence=row.sentence,
        figures=row.figures,
    )
