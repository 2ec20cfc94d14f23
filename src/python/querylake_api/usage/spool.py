"""The writing side of the ledger: files that a process appends to, and that outlive it.

The file that is written is mapped into memory, so a line is the kernel's as soon as it is there,
for less than a system call, and survives the process however that ends. Its room is allocated
beforehand: a disk that fills up is found when a file begins, never in the middle of a line. What
follows the last line are zeros.

Besides, a spare file is kept. On a disk that is full it becomes the next one, and a file that the
database has all of becomes the spare one: so records go on for as long as the database takes them.

A spool's files are `SOURCE.NUMBER.spool`, and `SOURCE.lock` is locked for as long as their writer
lives. A file that is full is left and another one begun, with the requests that are under way
written into it again: so files can go, oldest first, as soon as the ends that they hold are in the
database.
"""

# compiled: runs for each request.

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from querylake_api.usage.errors import SpoolUnusable
from querylake_api.usage.frames import Kind, encode, payload_of
from querylake_api.workers.allocation import allocate

SEGMENT_BYTES: Final = 4 * 1024 * 1024

_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
_FLAGS_KEPT: Final = os.O_RDWR | os.O_CLOEXEC


@dataclass(slots=True)
class Segment:
    """One file of a spool.

    Attributes:
        size: bytes that have been written; the file may be longer.
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
        refused: entries that were not taken, because of the bound or for want of room on the disk.
        fault: why the last one was not, and what to do; None if it was.

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
        self._file: int | None = None
        self._map: mmap.mmap | None = None
        self._room = 0
        self._spare = folder / f"{source}.spare"
        self.segments: deque[Segment] = deque()
        self.bytes = 0
        self.refused = 0
        self.fault: str | None = None
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            self._lock = _locked(folder, source)
            # At once: records must have room even if the disk is full when the first one comes.
            self._begin_segment(0)
            self._make_spare()
        except OSError as error:
            raise SpoolUnusable(folder, error) from None

    def begun(self, entry_id: str) -> bytes | None:
        """Return what was noted last of a request that has not ended."""
        line = self._open.get(entry_id)
        return None if line is None else payload_of(line)

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
            self._retire(segment.path)
            self.bytes -= segment.size

    def close(self) -> None:
        """End the spool. Files that are in the database go; others are for the next process."""
        self._spare.unlink(missing_ok=True)
        self._leave_segment()
        if not self._open and all(segment.taken == segment.size for segment in self.segments):
            for segment in self.segments:
                segment.path.unlink(missing_ok=True)
            (self._folder / f"{self._source}.lock").unlink(missing_ok=True)
        os.close(self._lock)

    def _append(self, line: bytes, *, bounded: bool = True) -> bool:
        if bounded and self.bytes >= self._max_bytes:
            return self._refuse(
                f"the spool has reached its {self._max_bytes} bytes; bring the database back, or "
                "raise usage.max_spool_bytes"
            )
        size = len(line)
        if size > self._room:
            try:
                self._begin_segment(size)
            except OSError as error:
                reason = os.strerror(error.errno or 0)
                return self._refuse(f"{self._folder}: {reason}; {_advice(error.errno)}")
        assert self._map is not None, "where there is room, there is a file"
        segment = self.segments[-1]
        self._map[segment.size : segment.size + size] = line
        segment.size += size
        self._room -= size
        self.bytes += size
        self.fault = None
        return True

    def _refuse(self, fault: str) -> bool:
        self.refused += 1
        self.fault = fault
        return False

    def _begin_segment(self, size: int) -> None:
        """Leave the file that is full, for one that has room for `size` bytes and more.

        Raises:
            OSError: there is none, and nothing has changed.
        """
        path = self._folder / f"{self._source}.{self._number + 1:08d}.spool"
        unfinished = path.with_suffix(".tmp")
        carried = b"".join(self._open.values())
        # Beyond what is carried, or many requests under way would make every line begin a file.
        room = max(self._segment_bytes, size)
        try:
            file, mapped = _mapped(unfinished, _FLAGS, len(carried) + room)
        except OSError:
            if not self._spare.exists() or len(carried) + size > self._segment_bytes:
                raise
            self._spare.rename(unfinished)
            file, mapped = _mapped(unfinished, _FLAGS_KEPT, self._segment_bytes)
        mapped[: len(carried)] = carried
        unfinished.rename(path)
        # While there is no spare file, the one that is left may become it.
        self._leave_segment(give_back=self._spare.exists())
        self._number += 1
        self._file, self._map, self._room = file, mapped, len(mapped) - len(carried)
        self.segments.append(Segment(path, size=len(carried)))
        self.bytes += len(carried)

    def _leave_segment(self, *, give_back: bool = True) -> None:
        """End the file that is written.

        Args:
            give_back: the room that is left.
        """
        if self._file is None or self._map is None:
            return
        self._map.close()
        if give_back:
            os.ftruncate(self._file, self.segments[-1].size)
        os.close(self._file)
        self._file = self._map = None
        self._room = 0

    def _retire(self, path: Path) -> None:
        """Remove a file whose records are in the database, or keep it as the spare one."""
        if self._spare.exists():
            path.unlink(missing_ok=True)
            return
        try:
            file, mapped = _mapped(path, _FLAGS_KEPT, self._segment_bytes)
        except OSError:
            path.unlink(missing_ok=True)
            return
        # What follows the last line must be zeros, or it would be read again after a crash.
        mapped[:] = bytes(len(mapped))
        mapped.close()
        os.close(file)
        path.rename(self._spare)

    def _make_spare(self) -> None:
        """Allocate the spare file if that is possible now."""
        unfinished = self._spare.with_suffix(".tmp")
        with suppress(OSError):
            file, mapped = _mapped(unfinished, _FLAGS, self._segment_bytes)
            mapped.close()
            os.close(file)
            unfinished.rename(self._spare)


def _mapped(path: Path, flags: int, size: int) -> tuple[int, mmap.mmap]:
    """Return a file that has all of its space, and its bytes.

    Raises:
        OSError: it has not; a file that was to be made is not there.
    """
    file = os.open(path, flags, 0o600)
    try:
        allocate(file, size)
        return file, mmap.mmap(file, size)
    except OSError:
        os.close(file)
        if flags & os.O_CREAT:
            path.unlink(missing_ok=True)
        raise


def _advice(number: int | None) -> str:
    """Return what to do about a file that cannot be begun."""
    match number:
        case errno.ENOSPC | errno.EDQUOT:
            return "free space on its disk"
        case errno.EMFILE | errno.ENFILE:
            return "raise the limit of open files (ulimit -n, LimitNOFILE)"
        case _:
            return "check its disk and its owner"


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
