"""The writing side of the ledger: files that a process appends to, and that outlive it.

Each line is one `write` of its own, so what was written is the kernel's, and survives the process
however that ends. A spool's files are `SOURCE.NUMBER.spool`, and `SOURCE.lock` is locked for as
long as their writer lives. A file that is full is left and another one begun, with the requests
that are under way written into it again: so files can go, oldest first, as soon as the ends that
they hold are in the database.
"""

from __future__ import annotations

import fcntl
import os
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from querylake_api.usage.errors import SpoolUnusable
from querylake_api.usage.frames import Kind, encode

SEGMENT_BYTES = 4 * 1024 * 1024

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


@dataclass(slots=True)
class Segment:
    """One file of a spool.

    Attributes:
        size: bytes that have been written.
        taken: bytes that are in the database.
        forced: bytes that a power failure would leave too.
    """

    path: Path
    size: int = 0
    taken: int = 0
    forced: int = 0

    def force(self) -> None:
        """Make what was written survive a power failure. Blocks; meant for a thread."""
        size = self.size
        if self.forced == size:
            return
        file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(file)
        finally:
            os.close(file)
        self.forced = size


class Spool:
    """Appends entries. Not a thread's to share: it belongs to the event loop.

    Args:
        folder: where the files are; made if it is missing.
        source: names this spool, and no other ever.
        max_bytes: of all its files; beyond that nothing is taken.

    Attributes:
        segments: the files, oldest first; the last one is written.
        refused: entries that were not taken, because of the bound or a fault of the disk.
        fault: why the last one was not; None if it was.

    Raises:
        SpoolUnusable: the files cannot be made.
    """

    def __init__(
        self, folder: Path, source: str, *, max_bytes: int, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        self._folder = folder
        self._source = source
        self._max_bytes = max_bytes
        self._segment_bytes = segment_bytes
        self._open: dict[str, bytes] = {}
        self._number = 0
        self._turn_at = 0
        self._torn = False
        self.segments: deque[Segment] = deque()
        self.bytes = 0
        self.refused = 0
        self.fault: str | None = None
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            self._lock = _locked(folder, source)
            self._file = self._begin_segment()
        except OSError as error:
            raise SpoolUnusable(folder, error) from None

    @property
    def under_way(self) -> int:
        """How many entries have begun and not ended."""
        return len(self._open)

    def begin(self, entry_id: str, payload: bytes) -> None:
        """Note that a request goes to an engine; again, if it goes to another one."""
        line = encode(Kind.BEGIN, payload)
        if self._append(line):
            self._open[entry_id] = line

    def end(self, entry_id: str, payload: bytes) -> None:
        """Note that a request has ended."""
        begun = self._open.pop(entry_id, None) is not None
        # One that could begin can also end: the bound is overrun by what is under way at most.
        self._append(encode(Kind.END, payload), bounded=not begun)

    def drop_taken(self) -> None:
        """Remove the files that the database has all of, except the one that is written."""
        while len(self.segments) > 1 and self.segments[0].taken == self.segments[0].size:
            segment = self.segments.popleft()
            segment.path.unlink(missing_ok=True)
            self.bytes -= segment.size

    def close(self) -> None:
        """End the spool. Files that are in the database go; others are for the next process."""
        os.close(self._file)
        if not self._open and all(segment.taken == segment.size for segment in self.segments):
            for segment in self.segments:
                segment.path.unlink(missing_ok=True)
            (self._folder / f"{self._source}.lock").unlink(missing_ok=True)
        os.close(self._lock)

    def _append(self, line: bytes, *, bounded: bool = True) -> bool:
        if bounded and self.bytes >= self._max_bytes:
            return self._refuse(f"the spool has reached its {self._max_bytes} bytes")
        if self._torn:
            line = b"\n" + line
        try:
            if self.segments[-1].size >= self._turn_at:
                self._turn()
            written = os.write(self._file, line)
        except OSError as error:
            return self._refuse(os.strerror(error.errno or 0))
        self.segments[-1].size += written
        self.bytes += written
        # The disk is full in the middle of a line: a line feed makes the rest of it harmless.
        self._torn = written < len(line)
        if self._torn:
            return self._refuse("the disk is full")
        self.fault = None
        return True

    def _refuse(self, fault: str) -> bool:
        self.refused += 1
        self.fault = fault
        return False

    def _turn(self) -> None:
        """Leave the file that is full."""
        full, self._file = self._file, self._begin_segment()
        os.close(full)

    def _begin_segment(self) -> int:
        self._number += 1
        path = self._folder / f"{self._source}.{self._number:08d}.spool"
        unfinished = path.with_suffix(".tmp")
        file = os.open(unfinished, _FLAGS | os.O_TRUNC, 0o600)
        carried = b"".join(self._open.values())
        try:
            if carried and os.write(file, carried) < len(carried):
                raise OSError(28, os.strerror(28))
            unfinished.rename(path)
        except OSError:
            os.close(file)
            unfinished.unlink(missing_ok=True)
            raise
        # Beyond what is carried, or many requests under way would make every line begin a file.
        self._turn_at = len(carried) + self._segment_bytes
        self.segments.append(Segment(path, size=len(carried)))
        self.bytes += len(carried)
        return file


def _locked(folder: Path, source: str) -> int:
    """Return the lock that tells others that the writer lives.

    It gets its name when it is locked: before, it would look like a dead one's.
    """
    path = folder / f"{source}.lock"
    unlocked = path.with_suffix(".new")
    lock = os.open(unlocked, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    unlocked.rename(path)
    return lock
