"""What apt changes, package by package, and the same the other way round.

`apt-get --simulate` writes a line for each step (apt-get(8)):

    Inst nvidia-utils-580 (580.95.05-0ubuntu1 Ubuntu:24.04/noble-updates [amd64])
    Inst libdrm2 [2.4.120-2] (2.4.122-1 Ubuntu:24.04/noble-updates [amd64]) []
    Remv nvidia-utils-535 [535.183.01-0ubuntu1]
"""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict

_INSTALL = re.compile(r"Inst (\S+)(?: \[([^\]\s]+)\])? \(([^\s)]+)(?:\s.*)?")
_REMOVE = re.compile(r"(?:Remv|Purg) (\S+)(?: \[([^\]\s]+)\])?(?:\s.*)?")


class Change(BaseModel):
    """One package.

    Attributes:
        name: with its architecture if that is not the machine's own.
        before: its version; None if it was not installed.
        after: its version; None if it is removed.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    before: str | None
    after: str | None

    @property
    def reversed(self) -> Change:
        """The way back."""
        return Change(name=self.name, before=self.after, after=self.before)

    @property
    def words(self) -> str:
        """Return it as the scripts compare it: name, version before, version after."""
        return f"{self.name} {self.before or '-'} {self.after or '-'}"

    @property
    def request(self) -> str:
        """Return what `apt-get install` is told to bring it about."""
        return f"{self.name}-" if self.after is None else f"{self.name}={self.after}"


def parse_simulation(text: str) -> tuple[Change, ...]:
    """Return the changes that a simulation announces, sorted by name. Any text will do."""
    before: dict[str, str | None] = {}
    after: dict[str, str | None] = {}
    for line in text.splitlines():
        if install := _INSTALL.fullmatch(line[:1000]):
            before.setdefault(install[1], install[2])
            after[install[1]] = install[3]
        elif remove := _REMOVE.fullmatch(line[:1000]):
            before.setdefault(remove[1], remove[2])
            after[remove[1]] = None
    changes = (Change(name=name, before=before[name], after=after[name]) for name in sorted(after))
    return tuple(each for each in changes if each.before != each.after)
