"""The state of an upgrade on one screen of 24 lines and 80 columns."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence

from rich.text import Text

from upgrade_gates.context import UpgradeContext
from upgrade_gates.evidence.chain import Damage
from upgrade_gates.status.state import GateStatus, State
from upgrade_gates.status.todo import Todo, todos
from upgrade_gates.status.view import STYLES, summary

COLUMNS = 80
TODOS = 12
"""How many commands are listed."""

DAMAGES = 2
WHY_LINES = 3
"""How many lines the reason of the next command may take."""

_STATE_WIDTH = max(len(state) for state in State)


def as_screen(
    gates: Sequence[GateStatus],
    damages: Sequence[Damage],
    context: UpgradeContext,
    host: str,
    now: datetime.datetime,
) -> list[Text]:
    """Return the lines of the screen; none is longer than `COLUMNS`.

    Args:
        host: this machine's name.
    """
    return [_cut(line) for line in _lines(gates, damages, context, host, now)]


def _lines(
    gates: Sequence[GateStatus],
    damages: Sequence[Damage],
    context: UpgradeContext,
    host: str,
    now: datetime.datetime,
) -> Iterator[Text]:
    yield Text(f"{_about(context)}; {now:%Y-%m-%d %H:%M} UTC on {host}", style="bold")
    yield _overview(gates)
    yield from _wrapped(summary(gates), "", 2)
    damaged = _damaged(damages)
    yield from damaged
    left = todos(gates)
    if not left:
        yield Text("Nothing is left to do.")
        return
    yield Text("\nWhat is left, in order:")
    room = TODOS - len(damaged)
    for todo in left[:room]:
        yield _entry(todo)
    if len(left) > room:
        yield Text(f"     ... and {len(left) - room} commands more")
    yield Text()
    yield from _next(left[0])
    yield Text("`upgrade_gates status --all` shows every line with its evidence.", style="dim")


def _damaged(damages: Sequence[Damage]) -> list[Text]:
    lines = [
        Text(f"Damaged evidence: {damage.record}: {damage.reason}", style="bold red")
        for damage in damages[:DAMAGES]
    ]
    if len(damages) > DAMAGES:
        more = f"... and {len(damages) - DAMAGES} more: upgrade_gates evidence verify"
        lines.append(Text(more, style="red"))
    return lines


def _about(context: UpgradeContext) -> str:
    model = f"Upgrade for {context.serving.model}" if context.serving else "Upgrade"
    matrix = f", matrix {context.matrix}" if context.matrix else ""
    return f"{model}{matrix}{f', owner {context.owner}' if context.owner else ''}"


def _overview(gates: Sequence[GateStatus]) -> Text:
    text = Text("Gates")
    order = list(State)
    for status in gates:
        worst = min((line.state for line in status.lines), key=order.index)
        word, style = ("holds", "green") if status.holds else (SHORT[worst], STYLES[worst])
        text.append(f"  {status.gate.number} ").append(word, style=style)
    return text


SHORT = {
    State.FAILING: "FAILS",
    State.STALE: "stale",
    State.OPEN: "open",
    State.NOT_CHECKABLE: "blind",
    State.DONE: "holds",
    State.NOT_NEEDED: "holds",
}
"""Words with which eight gates fit into a line; `blind` stands for not checkable."""


def _entry(todo: Todo) -> Text:
    text = Text(f"  {todo.gate}  ")
    text.append(f"{todo.state:{_STATE_WIDTH}}", style=STYLES[todo.state])
    text.append(f"  $ {todo.command}")
    if len(todo.lines) > 1:
        text.append(f"  ({len(todo.lines)} lines)", style="dim")
    return text


def _next(todo: Todo) -> Iterator[Text]:
    first = todo.first
    yield Text(f"Next: {todo.command}", style="bold")
    yield from _wrapped(f"{first.line.id}: {first.line.text}", "  ", 1)
    told = first.why or first.line.plan
    if told:
        yield from _wrapped(f"you: {told}" if told == first.line.plan else told, "  ", WHY_LINES)


def _wrapped(text: str, indent: str, most: int) -> list[Text]:
    """Return words in lines, at most so many of them."""
    lines, line = [], indent
    for word in text.split():
        if len(line) + len(word) + 1 > COLUMNS and line.strip():
            lines.append(line)
            line = indent
        line = f"{line} {word}" if line.strip() else f"{indent}{word}"
    lines.append(line)
    if len(lines) > most:
        lines = [*lines[: most - 1], f"{lines[most - 1][: COLUMNS - 4]} ..."]
    return [Text(each) for each in lines]


def _cut(text: Text) -> Text:
    """Return a text that fits into the screen's width."""
    if len(text.plain.lstrip("\n")) > COLUMNS:
        text.truncate(COLUMNS + len(text.plain) - len(text.plain.lstrip("\n")), overflow="ellipsis")
    return text
