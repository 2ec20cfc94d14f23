"""The state of every line, as tables and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from querylake_version import VERSION
from upgrade_gates.evidence.chain import Damage
from upgrade_gates.status.state import GateStatus, LineStatus, State

STYLES = {
    State.DONE: "green",
    State.NOT_NEEDED: "dim",
    State.STALE: "yellow",
    State.OPEN: "cyan",
    State.FAILING: "bold red",
    State.NOT_CHECKABLE: "magenta",
}


def as_table(gates: Sequence[GateStatus], damages: Sequence[Damage]) -> RenderableType:
    """Return one table for each gate, and a summary."""
    return Group(*(_gate_table(gate) for gate in gates), *_damage_lines(damages), _summary(gates))


def _gate_table(status: GateStatus) -> Table:
    # Text, and not str: rich would take brackets for its own markup.
    title = Text(f"\nGate {status.gate.number}  {status.gate.title}", style="bold")
    table = Table(
        title=title, title_justify="left", expand=True, show_edge=False, show_header=False
    )
    table.add_column("state", no_wrap=True, width=max(len(state) for state in State))
    table.add_column("line", ratio=1, overflow="fold")
    table.add_column("id", no_wrap=True)
    parts = {part for line in status.gate.lines for part in line.parts}
    for line in status.lines:
        indent = "  " if line.line.id in parts else ""
        text = Text(indent + line.line.text)
        if line.why:
            text.append(f"\n{indent}{line.why}", style="dim")
        if not line.holds and line.line.command:
            text.append(f"\n{indent}$ {line.line.command}", style="dim")
        table.add_row(Text(line.state, style=STYLES[line.state]), text, Text(line.line.id))
    return table


def _damage_lines(damages: Sequence[Damage]) -> list[Text]:
    return [
        Text(f"\nDamaged evidence: {damage.record}: {damage.reason}", style="bold red")
        for damage in damages
    ]


def summary(gates: Sequence[GateStatus]) -> str:
    """Return one sentence on all gates."""
    parts = {part for status in gates for line in status.gate.lines for part in line.parts}
    counted = Counter(
        line.state
        for status in gates
        for line in status.lines
        if line.line.id in parts or not line.line.parts
    )
    states = ", ".join(f"{counted[state]} {state}" for state in State if counted[state])
    held = [str(status.gate.number) for status in gates if status.holds]
    which = f"gates that hold: {', '.join(held)}" if held else "no gate holds"
    return f"{states}; {which}."


def _summary(gates: Sequence[GateStatus]) -> Text:
    return Text(f"\n{summary(gates)}")


def as_json(
    gates: Sequence[GateStatus], damages: Sequence[Damage], *, holds: bool
) -> dict[str, Any]:
    """Return the same as a JSON object."""
    return {
        "version": VERSION,
        "holds": holds,
        "summary": summary(gates),
        "damaged": [{"record": each.record, "reason": each.reason} for each in damages],
        "gates": [
            {
                "number": status.gate.number,
                "title": status.gate.title,
                "holds": status.holds,
                "lines": [_line(line) for line in status.lines],
            }
            for status in gates
        ],
    }


def _line(status: LineStatus) -> dict[str, Any]:
    record = status.record
    return {
        "id": status.line.id,
        "text": status.line.text,
        "state": status.state,
        "why": status.why,
        "who": status.line.who,
        "command": status.line.command,
        "parts": list(status.line.parts),
        "evidence": (
            None
            if record is None
            else {
                "record": record.file.name,
                "sha256": record.sha256,
                "verdict": record.statement.predicate.verdict,
                "finished_at": record.statement.predicate.finished_at.isoformat(),
                "artefacts": record.statement.digests(),
                "figures": record.statement.predicate.figures,
            }
        ),
    }
