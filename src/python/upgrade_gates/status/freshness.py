"""Which evidence is fresh, for which artefacts: what a promotion asks before it happens.

The answer is a small JSON file with a form that stays, so that another program can read it without
this one. docs/deps_upgrade/EVIDENCE.md describes it.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from upgrade_gates.artefacts import FILES, CurrentArtefacts
from upgrade_gates.checklist.gates import gate_numbered
from upgrade_gates.status.state import GateStatus, Judge, LineStatus

FORMAT = 1

PROMOTION_GATES = (2, 3, 4, 5)
"""Gates that must hold as a whole before the new stack becomes the default."""

PROMOTION_LINES = ("6.smoke",)
"""Further lines, whose gates cannot hold before that. A line stands for its parts too."""


def promotion(judge: Judge, artefacts: CurrentArtefacts) -> dict[str, Any]:
    """Return whether everything that a promotion needs is shown, and fresh."""
    whole = [judge.gate(gate_numbered(number)) for number in PROMOTION_GATES]
    return freshness(judge, artefacts, "promotion", [*whole, *_further(judge)])


def freshness(
    judge: Judge, artefacts: CurrentArtefacts, purpose: str, asked: Sequence[GateStatus]
) -> dict[str, Any]:
    """Return the state of some gates as the document for other programs.

    Args:
        purpose: what it is for; told in the document.
        asked: gates, with the lines that count.
    """
    missing = [
        _missing(line)
        for gate in asked
        for line in gate.lines
        if not line.holds and not line.line.parts
    ]
    damaged = [f"{each.record}: {each.reason}" for each in judge.chain.damages]
    return {
        "format": FORMAT,
        "for": purpose,
        "made_at": judge.now.isoformat(timespec="seconds"),
        "holds": not missing and not damaged,
        "missing": missing,
        "damaged": damaged,
        "artefacts": artefacts.digests(FILES),
        "gates": [_gate(gate) for gate in asked],
    }


def _missing(line: LineStatus) -> str:
    """Return what is wrong with a line, and the command that would show it."""
    why = f": {line.why}" if line.why else ""
    return f"{line.line.id}: {line.state}{why} (run: {line.line.command})"


def _further(judge: Judge) -> list[GateStatus]:
    """Return the gates of the further lines, with those lines only."""
    gates = []
    for line_id in PROMOTION_LINES:
        gate = judge.gate(gate_numbered(int(line_id.partition(".")[0])))
        (whole,) = (line.line for line in gate.lines if line.line.id == line_id)
        kept = {line_id, *whole.parts}
        lines = tuple(line for line in gate.lines if line.line.id in kept)
        gates.append(GateStatus(gate.gate, lines))
    return gates


def _gate(status: GateStatus) -> dict[str, Any]:
    shown = [line.record.statement.predicate.finished_at for line in status.lines if line.record]
    return {
        "gate": status.gate.number,
        "holds": status.holds,
        "oldest_evidence": _time(min(shown)) if shown else None,
        "lines": [_line(line) for line in status.lines if not line.line.parts],
    }


def _line(status: LineStatus) -> dict[str, Any]:
    record = status.record
    return {
        "id": status.line.id,
        "state": status.state,
        "record": record.file.name if record else None,
        "artefacts": record.statement.digests() if record else {},
    }


def _time(moment: datetime.datetime) -> str:
    return moment.isoformat(timespec="seconds")
