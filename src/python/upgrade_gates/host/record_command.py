"""`record`: gate 0's facts of this machine, kept as evidence."""

from __future__ import annotations

from upgrade_gates.command_options import JsonOption, WorkspaceOption
from upgrade_gates.host.facts import understand
from upgrade_gates.host.machine import Machine
from upgrade_gates.host.record import record as recorded_lines
from upgrade_gates.host.snapshot import take_snapshot
from upgrade_gates.session import Session, open_session, utc_now
from upgrade_gates.verification import Verification


def record(workspace: WorkspaceOption = None, json_: JsonOption = False) -> None:
    """Gate 0: record driver, kernel, Secure Boot, packages and GPU processes of this host.

    Changes nothing. Run it on the GPU host, as root: others do not see every process.
    """
    record_host(open_session(workspace), Machine()).finish(as_json=json_)


def record_host(session: Session, machine: Machine) -> Verification:
    """Ask a machine everything, and return what there is to keep."""
    verification = Verification(session)
    snapshot = take_snapshot(machine, now=utc_now())
    for line in recorded_lines(snapshot, understand(snapshot)):
        verification.add(
            line.line, line.verdict, line.reason, figures=line.figures, output=line.output
        )
    return verification
