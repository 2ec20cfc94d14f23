"""The state of a line, from its last record and the artefacts as they are now."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from upgrade_gates.artefacts import CurrentArtefacts
from upgrade_gates.checklist.gates import line_with_id
from upgrade_gates.checklist.line import Gate, Line
from upgrade_gates.context import UpgradeContext
from upgrade_gates.evidence.chain import Chain, Record
from upgrade_gates.evidence.statement import CLOCKS_DIFFER, Host, Verdict
from upgrade_gates.evidence.this_host import same_host, this_host


class State(StrEnum):
    """What is known of a line. The order is that of a summary: the first that occurs counts."""

    FAILING = "failing"
    STALE = "stale"
    """It was shown, of something that is different now, or too long ago."""
    OPEN = "open"
    """Nothing has shown it."""
    NOT_CHECKABLE = "not checkable"
    """Where the check last ran, it could not look; the reason says what was missing."""
    DONE = "done"
    NOT_NEEDED = "not needed"
    """What it is about is not enabled in `upgrade.toml`, or has not happened and need not."""


HOLDS = (State.DONE, State.NOT_NEEDED)


@dataclass(frozen=True)
class LineStatus:
    """A line today.

    Attributes:
        why: one sentence; empty where the state says it all.
        record: the evidence, if there is any.
    """

    line: Line
    state: State
    why: str
    record: Record | None = None

    @property
    def holds(self) -> bool:
        """Whether nothing is left to do."""
        return self.state in HOLDS


@dataclass(frozen=True)
class GateStatus:
    """A gate today."""

    gate: Gate
    lines: tuple[LineStatus, ...]

    @property
    def holds(self) -> bool:
        """Whether each of its lines does."""
        return all(line.holds for line in self.lines)


@dataclass(frozen=True)
class Judge:
    """Judges lines at one moment.

    Attributes:
        now: with a time zone.
        host: this machine.
    """

    context: UpgradeContext
    chain: Chain
    artefacts: CurrentArtefacts
    now: datetime.datetime
    host: Host = field(default_factory=this_host)

    def gates(self, gates: Sequence[Gate]) -> tuple[GateStatus, ...]:
        """Return the state of every line."""
        return tuple(self.gate(gate) for gate in gates)

    def gate(self, gate: Gate) -> GateStatus:
        """Return the state of every line of a gate."""
        single = {line.id: self._line(line) for line in gate.lines if not line.parts}
        return GateStatus(
            gate,
            tuple(
                (
                    _summary(line, [single[part] for part in line.parts])
                    if line.parts
                    else single[line.id]
                )
                for line in gate.lines
            ),
        )

    def _line(self, line: Line) -> LineStatus:
        if line.needs is not None and not self._value(line.needs):
            return LineStatus(line, State.NOT_NEEDED, f"{line.needs} is not set in upgrade.toml")
        record = self._latest(line)
        if record is None:
            state = State.NOT_NEEDED if line.optional else State.OPEN
            return LineStatus(line, state, line.plan)
        overtaken = self._overtaken(line, record)
        if overtaken is not None:
            state = State.NOT_NEEDED if line.optional else State.STALE
            return LineStatus(line, state, overtaken, record)
        found = record.statement.predicate
        if found.verdict is Verdict.NOT_CHECKABLE:
            return LineStatus(line, State.NOT_CHECKABLE, found.reason, record)
        change = self._change(line, record)
        if change is not None:
            before = "it failed, and since then " if found.verdict is Verdict.FAIL else ""
            return LineStatus(line, State.STALE, before + change, record)
        if found.verdict is Verdict.FAIL:
            return LineStatus(line, State.FAILING, found.reason, record)
        if found.verdict is Verdict.INCONCLUSIVE:
            return LineStatus(line, State.OPEN, f"inconclusive: {found.reason}", record)
        return LineStatus(line, State.DONE, found.reason, record)

    def _latest(self, line: Line) -> Record | None:
        """Return the last record of a line; of a line about the GPU host, the last one of there.

        So a check that was run on the wrong machine by mistake does not hide what the right one has
        shown. Where there is none of the right one, the wrong one's is returned, to be named.
        """
        if line.on_host:
            for record in reversed(self.chain.records):
                if record.check == line.id and self._elsewhere(record) is None:
                    return record
        return self.chain.latest(line.id)

    def _elsewhere(self, record: Record) -> str | None:
        """Return on which other machine than the GPU host a record was made, or None."""
        made_on = record.statement.predicate.host
        if self.context.host is not None:
            same = made_on.name == self.context.host
            return None if same else f"it is of {made_on.name}, and host is {self.context.host}"
        if same_host(made_on, self.host):
            return None
        return (
            f"it is of {made_on.name}, and this is {self.host.name}; run it on the GPU host, or "
            f'write host = "{made_on.name}" into upgrade.toml if that is the GPU host'
        )

    def _overtaken(self, line: Line, record: Record) -> str | None:
        """Return by what a record was overtaken, or None."""
        later = None if line.overtaken_by is None else self._latest(line_with_id(line.overtaken_by))
        if later is None or later.sequence < record.sequence:
            return None
        if later.statement.predicate.verdict is not Verdict.PASS:
            return None
        return f"overtaken by record {later.sequence}: {line_with_id(later.check).text}"

    def _change(self, line: Line, record: Record) -> str | None:
        """Return what has changed since a record was written, or None."""
        recorded = record.statement.digests()
        changes = []
        for name, digest in recorded.items():
            if not self.artefacts.known(name):
                continue
            now = self.artefacts.digest(name)
            if now is None:
                gone = "is gone" if self.artefacts.named(name) else "is no longer in upgrade.toml"
                changes.append(f"{name} {gone}")
            elif now != digest:
                changes.append(f"{name} changed")
        changes += [
            f"{name} was not looked at"
            for name in line.binds
            if name not in recorded and self.artefacts.named(name)
        ]
        finished = record.statement.predicate.finished_at
        if line.on_host and (elsewhere := self._elsewhere(record)) is not None:
            changes.append(elsewhere)
        if finished > self.now + CLOCKS_DIFFER:
            changes.append(
                f"it is from the future ({finished:%Y-%m-%d %H:%M} UTC, and now it is "
                f"{self.now:%Y-%m-%d %H:%M}); set the clocks right"
            )
        if line.max_age is not None and self.now - finished > line.max_age:
            changes.append(f"it is older than {line.days} days")
        if (ended := self._ended(line)) is not None:
            changes.append(ended)
        return "; ".join(changes) or None

    def _ended(self, line: Line) -> str | None:
        """Return that the moment has passed until which evidence holds, or None."""
        end = None if line.ends is None else self._value(line.ends)
        if not isinstance(end, datetime.datetime) or self.now <= end:
            return None
        unused = [
            each for each in line.used_by if self._line(line_with_id(each)).state is not State.DONE
        ]
        if not unused:
            return None
        return f"{line.ends} was {end.isoformat()}, and {', '.join(unused)} is not done"

    def _value(self, name: str) -> object:
        table, _, key = name.partition(".")
        value = getattr(self.context, table)
        return value if value is None or not key else getattr(value, key)


def _summary(line: Line, parts: Sequence[LineStatus]) -> LineStatus:
    """Return the state of a line that sums up others: the first of `State` that occurs."""
    order = list(State)
    state = min((part.state for part in parts), key=order.index)
    if state in HOLDS:
        return LineStatus(line, state, "")
    behind = [part.line.id for part in parts if part.state is state]
    return LineStatus(line, state, ", ".join(behind))
