"""What is left to do, in order: one entry for each command. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from upgrade_gates.status.state import GateStatus, LineStatus, State


@dataclass(frozen=True)
class Todo:
    """A command that is left to run.

    Attributes:
        gate: its number.
        state: the most urgent state of the lines that it is for.
        lines: what it would show and is not shown, most urgent first.
    """

    gate: int
    command: str
    state: State
    lines: tuple[LineStatus, ...]

    @property
    def first(self) -> LineStatus:
        """The most urgent line."""
        return self.lines[0]


def todos(gates: Sequence[GateStatus]) -> list[Todo]:
    """Return the commands that are left, in the order of the gates and of their lines."""
    left: dict[tuple[int, str], list[LineStatus]] = {}
    for status in gates:
        for line in status.lines:
            if not line.holds and not line.line.parts:
                left.setdefault((status.gate.number, line.line.command), []).append(line)
    order = list(State)
    found = []
    for (gate, command), lines in left.items():
        urgent = tuple(sorted(lines, key=lambda line: order.index(line.state)))
        found.append(Todo(gate, command, urgent[0].state, urgent))
    return found
