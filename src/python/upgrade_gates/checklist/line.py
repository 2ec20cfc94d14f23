"""What the checklist is made of."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from typing import Literal

Who = Literal["program", "person"]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a gate.

    Attributes:
        id: its name in evidence, documents and options: the gate's number, then words.
        text: what must be true.
        command: what shows it, as an operator types it.
        who: whether the program alone can do it, or a person must act before it can be shown.
        plan: what that person does.
        binds: artefacts by name; evidence holds only for them as they were.
        days: how long evidence holds; None for as long as its artefacts do not change.
        ends: a moment in `upgrade.toml`, such as `window.end`, after which evidence holds only if
            the lines `used_by` are done.
        overtaken_by: a line that is about the same thing later: once it has passed, this line's
            older evidence is of the past.
        optional: there is nothing to show until something has happened that need not happen.
        on_host: it is about the GPU host, so evidence of another machine does not count.
        needs: a value of `upgrade.toml`, such as `api.rerank_model`, without which there is nothing
            to show.
        parts: ids of the lines that this one sums up; it has no evidence of its own.
    """

    id: str
    text: str
    command: str = ""
    who: Who = "program"
    plan: str = ""
    binds: tuple[str, ...] = ()
    days: int | None = None
    ends: str | None = None
    used_by: tuple[str, ...] = ()
    overtaken_by: str | None = None
    optional: bool = False
    on_host: bool = False
    needs: str | None = None
    parts: tuple[str, ...] = ()

    @property
    def max_age(self) -> datetime.timedelta | None:
        """How long evidence holds."""
        return None if self.days is None else datetime.timedelta(days=self.days)


@dataclass(frozen=True)
class Gate:
    """A gate, with its lines in the document's order; parts follow the line that sums them up."""

    number: int
    title: str
    lines: tuple[Line, ...]


def summed_up(line_id: str, text: str, *parts: Line) -> tuple[Line, ...]:
    """Return a line that holds when its parts do, and the parts."""
    whole = Line(id=line_id, text=text, parts=tuple(part.id for part in parts))
    return (whole, *parts)


def about_the_host(*lines: Line) -> tuple[Line, ...]:
    """Return lines for which evidence of another machine than the GPU host does not count."""
    return tuple(line if line.parts else replace(line, on_host=True) for line in lines)
