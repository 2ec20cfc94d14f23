"""The state of every checklist line, as a table and as JSON."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from querylake_version import VERSION
from upgrade_gates.checklist import ChecklistLine, Gate

SUMMARY = (
    "No gate holds: this version has no checks, so every line is open, also where the document "
    "ticks it."
)


class State(StrEnum):
    """What is known of a line."""

    OPEN = "open"
    """Nothing has shown that it is done."""


def as_table(gates: tuple[Gate, ...]) -> RenderableType:
    """Return one table for each gate."""
    return Group(*(_gate_table(gate) for gate in gates))


def _gate_table(gate: Gate) -> Table:
    # Text, and not str: rich would take the document's brackets for its own markup.
    title = Text(f"Gate {gate.number}  {gate.title}", style="bold")
    table = Table(title=title, title_justify="left", expand=True, show_edge=False)
    table.add_column("state", no_wrap=True)
    table.add_column("line", ratio=1, overflow="fold")
    table.add_column("document", no_wrap=True)
    table.add_column("id", no_wrap=True)
    for line in gate.lines:
        text = Text("  " * len(line.section) + line.text)
        ticked = "ticked" if line.ticked else ""
        table.add_row(Text(State.OPEN, style="yellow"), text, ticked, line.id)
    return table


def as_json(document: Path, gates: tuple[Gate, ...]) -> dict[str, Any]:
    """Return the same as a JSON object."""
    return {
        "version": VERSION,
        "document": str(document),
        "holds": False,
        "summary": SUMMARY,
        "gates": [
            {
                "number": gate.number,
                "title": gate.title,
                "lines": [_line(line) for line in gate.lines],
            }
            for gate in gates
        ],
    }


def _line(line: ChecklistLine) -> dict[str, Any]:
    return {
        "id": line.id,
        "section": list(line.section),
        "text": line.text,
        "state": State.OPEN,
        "ticked_in_document": line.ticked,
    }
