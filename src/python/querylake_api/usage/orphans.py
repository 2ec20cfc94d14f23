"""The spools of processes that ended without emptying them: found, read to the end, and removed."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from querylake_api.usage.entry import id_of, lost_entry
from querylake_api.usage.frames import Kind, decode

CHUNK_BYTES = 1024 * 1024
_HOLES = re.compile(rb"\0+")


@dataclass(frozen=True, slots=True)
class Orphan:
    """A spool whose writer is gone, held by whoever empties it.

    Attributes:
        segments: its files, oldest first.
    """

    lock: Path
    segments: tuple[Path, ...]

    def remove(self) -> None:
        """Delete it: all that it holds is in the database."""
        for path in self.segments:
            path.unlink(missing_ok=True)
        self.lock.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Portion:
    """Some of an orphan's entries.

    Attributes:
        entries: records, as the database takes them.
        damaged: lines that could not be read, because they were torn or overwritten.
    """

    entries: list[bytes]
    damaged: int


@contextmanager
def orphans(folder: Path) -> Iterator[list[Orphan]]:
    """Give the spools of a folder whose writers are gone and that nobody else empties."""
    held: list[int] = []
    found: list[Orphan] = []
    try:
        for path in sorted(folder.glob("*.lock")):
            lock = _try_lock(path)
            if lock is None:
                continue
            held.append(lock)
            # Only now: while its writer lives, there may be more.
            for unfinished in folder.glob(f"{path.stem}.*.tmp"):
                unfinished.unlink(missing_ok=True)
            path.with_suffix(".spare").unlink(missing_ok=True)
            found.append(Orphan(path, tuple(sorted(folder.glob(f"{path.stem}.*.spool")))))
        yield found
    finally:
        for lock in held:
            os.close(lock)


def portions(orphan: Orphan) -> Iterator[Portion]:
    """Read an orphan: the ends that it holds, and then a record for each request without one."""
    begun: dict[str, bytes] = {}
    for path in orphan.segments:
        for entries, damaged in _read(path, begun):
            yield Portion(entries, damaged)
    yield Portion([lost_entry(begin) for begin in begun.values()], 0)


def _read(path: Path, begun: dict[str, bytes]) -> Iterator[tuple[list[bytes], int]]:
    rest = b""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            # Room that was never used, or that a power failure emptied; no line holds a zero.
            chunk = _HOLES.sub(b"\n", chunk)
            frames = decode(rest + chunk)
            rest = (rest + chunk)[frames.taken :]
            ends: list[bytes] = []
            for frame in frames.frames:
                if frame.kind is Kind.BEGIN:
                    begun[id_of(frame.payload)] = frame.payload
                else:
                    begun.pop(id_of(frame.payload), None)
                    ends.append(frame.payload)
            yield ends, frames.damaged
    # What follows the last line feed was torn by the end of the process.
    yield [], 1 if rest else 0


def _try_lock(path: Path) -> int | None:
    try:
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None  # somebody else has just emptied it
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock
