"""The bench's matrix as a Markdown table: kinds of hosts, and how far each gets."""

from __future__ import annotations

from collections.abc import Mapping

from upgrade_gates_testing.bench.kinds import Kind
from upgrade_gates_testing.bench.walk import STEPS, Walk

HEAD = ("host", "plan", "dry run", "upgrade", "verify", "rollback", "verify --rolled-back")


def as_table(walks: Mapping[str, Walk], kinds: tuple[Kind, ...]) -> str:
    """Return the table, one row for each kind."""
    rows = [HEAD, tuple("---" for _ in HEAD)]
    rows += [
        (kind.name, *(_cell(walks[kind.name], kind, step) for step in STEPS)) for kind in kinds
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cell(walked: Walk, kind: Kind, step: str) -> str:
    """Return how a step ended: well, with the words that it must stop with, or not at all."""
    taken = walked.steps.get(step)
    if taken is None:
        return "-"
    if not taken.ok:
        return f"stops: *{kind.ends[step]}*" if step in kind.ends else "FAILS"
    return "nothing to change" if "nothing has to change" in taken.said else "passes"
