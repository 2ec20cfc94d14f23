"""Every process that an engine started, found through /proc, whoever its parent is by now.

vLLM's engine cores and workers outlive an API server that is killed: they get another parent, keep
decoding and keep their memory. They stay in its session, though, and whatever once descended from
it is remembered.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_GONE = "ZX"
_LOOK_SECONDS = 0.05
_KILL_SECONDS = 10.0
_NO_SESSION = -1


@dataclass(frozen=True, slots=True)
class Process:
    """One process at one moment.

    Attributes:
        started: when, in clock ticks since boot; tells a process from a later one of the same id.
        state: the kernel's letter, such as `R`, or `T` for stopped.
        threads: how many it has that have not ended; a zombie counts as one.
        rss: resident memory in bytes.
    """

    pid: int
    parent: int
    session: int
    started: int
    state: str
    threads: int
    rss: int
    name: str

    @property
    def ended(self) -> bool:
        """Whether its memory and its ports are free again.

        Killed, it shows as a zombie as soon as its first thread has ended; while others go on doing
        so, everything is still held.
        """
        return self.state in _GONE and self.threads <= 1


class ProcessFamily:
    """The processes of one engine, which leads a session of its own.

    Attributes:
        known: when each member started, by its id, as of the last look.
    """

    def __init__(self, leader: int, known: Mapping[int, int] | None = None) -> None:
        """Begin with a leader, and with members that are known already."""
        self.known: Mapping[int, int] = known or {}
        self._leader = leader

    @classmethod
    def left_behind(cls, known: Mapping[int, int]) -> ProcessFamily:
        """Return a family whose leader may have ended, so that its id may be another's by now."""
        return cls(_NO_SESSION, known)

    def alive(self) -> list[Process]:
        """Return every member that has not ended."""
        members: dict[int, Process] = {}
        others: list[Process] = []
        for process in all_processes():
            if process.session == self._leader or self.known.get(process.pid) == process.started:
                members[process.pid] = process
            else:
                others.append(process)
        while children := [each for each in others if each.parent in members]:
            members.update((child.pid, child) for child in children)
            others = [each for each in others if each.parent not in members]
        self.known = {process.pid: process.started for process in members.values()}
        return [process for process in members.values() if not process.ended]

    def signal(self, number: signal.Signals) -> int:
        """Send a signal to every member, and return to how many."""
        members = self.alive()
        for process in members:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, number)
        return len(members)

    async def end(self, term_seconds: float) -> int:
        """End every member: SIGTERM, and SIGKILL for whoever is left.

        Args:
            term_seconds: how long SIGTERM may take.

        Returns:
            How many processes had to be killed.
        """
        self.signal(signal.SIGTERM)
        # A stopped process takes a SIGTERM only when it runs again.
        self.signal(signal.SIGCONT)
        await self._gone(term_seconds)
        killed = self.signal(signal.SIGKILL)
        await self._gone(_KILL_SECONDS)
        return killed

    async def _gone(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self.alive() and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_SECONDS)


def all_processes() -> Iterator[Process]:
    """Yield every process of this machine that may be seen."""
    for entry in os.scandir("/proc"):
        if not entry.name.isdecimal():
            continue
        try:
            stat = Path(entry.path, "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:  # it has ended meanwhile
            continue
        yield _parse(stat)


def _parse(stat: str) -> Process:
    """Read a line of /proc/PID/stat, proc(5); the name may hold spaces and parentheses."""
    pid, _, rest = stat.partition(" (")
    name, _, numbers = rest.rpartition(") ")
    fields = numbers.split()
    return Process(
        pid=int(pid),
        parent=int(fields[1]),
        session=int(fields[3]),
        started=int(fields[19]),
        state=fields[0],
        threads=int(fields[17]),
        rss=int(fields[21]) * _PAGE,
        name=name,
    )
