"""All gates, and finding one of their lines."""

from __future__ import annotations

from upgrade_gates.checklist import (
    gate_0_matrix,
    gate_1_driver,
    gate_2_runtime,
    gate_3_serving,
    gate_4_boundary,
    gate_5_api,
    gate_6_rollout,
    gate_7_hygiene,
)
from upgrade_gates.checklist.line import Gate, Line
from upgrade_gates.errors import UnknownLine

GATES: tuple[Gate, ...] = (
    gate_0_matrix.GATE,
    gate_1_driver.GATE,
    gate_2_runtime.GATE,
    gate_3_serving.GATE,
    gate_4_boundary.GATE,
    gate_5_api.GATE,
    gate_6_rollout.GATE,
    gate_7_hygiene.GATE,
)

LINES: dict[str, Line] = {line.id: line for gate in GATES for line in gate.lines}


def gate_numbered(number: int) -> Gate:
    """Return a gate.

    Raises:
        UnknownLine: there is none with this number.
    """
    for gate in GATES:
        if gate.number == number:
            return gate
    raise UnknownLine(f"there is no gate {number}; the gates are 0 to {GATES[-1].number}")


def line_with_id(line_id: str) -> Line:
    """Return a line.

    Raises:
        UnknownLine: there is none with this id.
    """
    try:
        return LINES[line_id]
    except KeyError:
        raise UnknownLine(
            f"there is no line {line_id!r}; `upgrade_gates status` shows the ids"
        ) from None
