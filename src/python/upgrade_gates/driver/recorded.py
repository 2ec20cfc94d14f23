"""What gates 0 and 1 have kept: the host's record, and the plan that was made from it."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from upgrade_gates.checklist.gates import gate_numbered
from upgrade_gates.driver.plan import DriverPlan
from upgrade_gates.errors import PlanRefused, RecordMissing
from upgrade_gates.evidence.chain import Chain
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.host.machine import Machine
from upgrade_gates.host.record import SNAPSHOT_LINE
from upgrade_gates.host.snapshot import Snapshot, machine_digest
from upgrade_gates.session import Session
from upgrade_gates.status.state import State

PLAN_LINE = "1.plan"


@dataclass(frozen=True, slots=True)
class Planned:
    """What was decided about the driver: a change, or that none is needed."""

    plan: DriverPlan | None


def require_gate_0(session: Session) -> None:
    """Check that everything of gate 0 is there.

    Raises:
        RecordMissing: it is not; the message names the lines.
    """
    status = session.judge().gate(gate_numbered(0))
    open_lines = [
        f"{line.line.id} ({line.state}{f': {line.why}' if line.state is State.STALE else ''})"
        for line in status.lines
        if not line.holds and not line.line.parts
    ]
    if open_lines:
        raise RecordMissing(
            f"gate 0 does not hold: {', '.join(open_lines)}. Without it there is no way back; see "
            "upgrade_gates status --gate 0"
        )


def recorded_snapshot(chain: Chain, machine: Machine) -> Snapshot:
    """Return the host's last record.

    Raises:
        RecordMissing: there is none, or it is of another machine.
    """
    record = chain.latest(SNAPSHOT_LINE)
    if record is None:
        raise RecordMissing("this host is not recorded; run upgrade_gates record")
    try:
        snapshot = Snapshot.model_validate_json(record.output())
    except ValidationError:
        raise RecordMissing(f"{record.file} holds no record of a host; record again") from None
    if snapshot.machine != machine_digest(machine):
        raise RecordMissing(f"the record is of {snapshot.host}, and this is another machine")
    return snapshot


def planned(chain: Chain, machine: Machine) -> Planned:
    """Return what was decided last.

    Raises:
        PlanRefused: nothing was, or it was for another machine.
    """
    record = chain.latest(PLAN_LINE)
    if record is None or record.statement.predicate.verdict is not Verdict.PASS:
        raise PlanRefused("there is no plan; run upgrade_gates driver plan")
    text = record.output()
    if not text:
        return Planned(None)
    try:
        plan = DriverPlan.model_validate_json(text)
    except ValidationError:
        raise PlanRefused(f"{record.file} holds no plan; run upgrade_gates driver plan") from None
    if plan.machine != machine_digest(machine):
        raise PlanRefused(f"the plan is for {plan.host}, and this is another machine")
    return Planned(plan)
