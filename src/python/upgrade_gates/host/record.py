"""Gate 0's record: what each of its lines saw, and exactly what could not be recorded."""

from __future__ import annotations

from collections.abc import Iterable

from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.host import record_driver, record_software
from upgrade_gates.host.facts import HostFacts
from upgrade_gates.host.recorded_line import Recorded, absent
from upgrade_gates.host.snapshot import Snapshot

SNAPSHOT_LINE = "0.facts.snapshot"
"""The line whose output is the whole snapshot as JSON, from which plans are made."""


def record(snapshot: Snapshot, facts: HostFacts) -> tuple[Recorded, ...]:
    """Return what each line of gate 0's record saw."""
    lines = (
        record_driver.nvidia_smi(snapshot, facts),
        record_driver.module(snapshot, facts),
        record_software.running_kernel(snapshot, facts),
        record_software.signatures(snapshot, facts),
        record_software.builds(snapshot, facts),
        record_driver.processes(snapshot, facts),
        record_software.driver_packages(snapshot, facts),
    )
    return (*lines, _whole(snapshot, facts, lines))


def _whole(snapshot: Snapshot, facts: HostFacts, lines: Iterable[Recorded]) -> Recorded:
    missing = [each.line for each in lines if each.verdict is not Verdict.PASS]
    if snapshot.machine is None:
        verdict, reason = Verdict.FAIL, "this machine has no /etc/machine-id to be known by"
    elif missing:
        # The others name what is missing; a record with gaps is no ground for a plan.
        verdict = Verdict.NOT_CHECKABLE if absent(facts) else Verdict.FAIL
        reason = f"{snapshot.host}: not recorded: {', '.join(missing)}"
    else:
        verdict, reason = Verdict.PASS, f"{snapshot.host}: everything is recorded"
    return Recorded(SNAPSHOT_LINE, verdict, reason, snapshot.model_dump_json(indent=1))
