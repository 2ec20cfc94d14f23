"""Which rollouts belong to this upgrade: of its model, to its engine, after its evidence."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from upgrade_gates.candidate.key_route import MARK
from upgrade_gates.checklist.gates import line_with_id
from upgrade_gates.evidence.chain import Record
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.rollout.records import Records, Rollout
from upgrade_gates.session import Session

ENGINE_LINE = "3.serve"
"""The line that first shows the new engine: nothing before it can have been a canary of it."""

_STACK = ("runtime_lock", "runtime_pex")


@dataclass(frozen=True)
class ThisUpgrade:
    """What a rollout must be about to count.

    Attributes:
        model: the name that clients use.
        upstreams: the new engine's names in the API's configuration; empty if that is not known.
        since: when this engine was first shown to serve; None if it never was.
        binds: lock and PEX of the engine, as far as they were seen to serve then.
    """

    model: str
    upstreams: frozenset[str]
    since: datetime.datetime | None
    binds: tuple[str, ...] = ()

    def rollouts(self, records: Records) -> tuple[list[Rollout], list[str]]:
        """Return the rollouts that count, oldest first, and why others of the model do not."""
        ours, others = [], []
        # The one that was started last comes last, whatever order the API lists them in.
        begun = [each for each in records.rollouts if each.model == self.model and each.started_at]
        for rollout in sorted(begun, key=lambda each: str(each.started_at)):
            why = self._not_ours(rollout)
            if why is None:
                ours.append(rollout)
            elif why:
                others.append(f"{rollout.id} {why}")
        return ours, others

    def _not_ours(self, rollout: Rollout) -> str | None:
        """Return why a rollout does not count; None if it does, nothing if it never was one."""
        if any(MARK in event.sentence for event in rollout.events):
            return ""
        if self.upstreams and not self.upstreams & set(rollout.candidates):
            return f"was of {', '.join(rollout.candidates) or 'another engine'}"
        if self.since is None or rollout.started_at is None:
            return f"began before {ENGINE_LINE} was shown for this engine"
        if rollout.started_at < self.since:
            return f"began at {rollout.started_at:%Y-%m-%d %H:%M}, before this engine was shown"
        return None


def this_upgrade(session: Session, model: str, upstreams: frozenset[str]) -> ThisUpgrade:
    """Return what the rollouts of this upgrade are known by."""
    now = session.artefacts.digests((*line_with_id(ENGINE_LINE).binds, *_STACK))
    shown = [record for record in session.store.read().records if _shows(record, now)]
    if not shown:
        return ThisUpgrade(model, upstreams, None)
    named = shown[-1].statement.digests()
    return ThisUpgrade(
        model,
        upstreams,
        since=shown[0].statement.predicate.finished_at,
        binds=tuple(name for name in _STACK if name in named),
    )


def _shows(record: Record, now: dict[str, str]) -> bool:
    """Return whether a record shows that the engine, as it is now, serves."""
    if record.check != ENGINE_LINE or record.statement.predicate.verdict is not Verdict.PASS:
        return False
    shown = record.statement.digests()
    return all(shown.get(name, digest) == digest for name, digest in now.items())
