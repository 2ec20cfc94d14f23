"""What every key has used, in memory that all processes of a machine share.

A file is mapped into each process. A key has a row in it for as long as anything is to be
remembered of it, and a row is found by the key's hash: 64 rows form a bucket, a key can only be in
the bucket that its hash names, and a bucket is what processes lock each other out of, for the
microseconds of one look. With 30,000 keys active in the same minute, the chance that any bucket is
full is one in a hundred thousand (Poisson's distribution with a mean of 29).

A process that is alone needs no locks, and saves four system calls for each request. Whoever comes
counts the living, so that the other one locks from then on, and waits until it surely does.

How many requests of a key are in progress is counted by each process in a column of its own, which
nobody else writes to. When a process dies, its column is void, and whoever would refuse a request
because of it clears it.
"""

# compiled: runs for each request.

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import time
from pathlib import Path
from typing import Final

from querylake_api.limits.errors import LimitsTableUnusable
from querylake_api.limits.window import CELLS, SlidingWindow
from querylake_api.workers.allocation import allocate
from querylake_api.workers.worker import MAX_WORKERS, Worker

FORM: Final = 2
"""Changed whenever the layout is, and part of the file's name: versions do not meet in one file."""

BUCKETS: Final = 1024
ROWS_OF_BUCKET: Final = 64
ROWS: Final = BUCKETS * ROWS_OF_BUCKET
ROW_CELLS: Final = 2 + 2 * CELLS
"""32-bit cells: the key's tag, and a window each for requests and tokens."""

_COLUMNS_AT: Final = ROWS * ROW_CELLS * 4
_COLUMNS_END: Final = _COLUMNS_AT + ROWS * MAX_WORKERS * 2
_BYTES: Final = _COLUMNS_END + 2
_MOST: Final = 2**16 - 1
_EMPTY_COLUMN: Final = memoryview(bytes(ROWS * 2)).cast("H")

Tag = tuple[int, int]
"""64 bits of a key's hash, besides those that name its bucket."""

ARRIVAL_SECONDS: Final = 0.05
"""What a process waits when it comes to others. One that believed itself alone spends microseconds
between looking around and being done; if it is stopped just there, one count may be lost."""

CHECK_SECONDS: Final = 0.1
"""Least time between two questions whether another process still lives."""


class Row:
    """What is known of one key. Valid while its bucket is locked, or a lease of it is held."""

    __slots__ = ("_cells", "_tag_at", "index", "requests", "tokens")

    def __init__(self, cells: memoryview, index: int) -> None:
        self._cells = cells
        self._tag_at = index * ROW_CELLS
        self.index = index
        self.requests = SlidingWindow(cells, self._tag_at + 2)
        self.tokens = SlidingWindow(cells, self._tag_at + 2 + CELLS)

    def is_of(self, tag: Tag) -> bool:
        """Return whether the row is that of a key."""
        at = self._tag_at
        return self._cells[at] == tag[0] and self._cells[at + 1] == tag[1]

    def give_to(self, tag: Tag) -> None:
        """Make it the row of a key of which nothing is known."""
        self._cells[self._tag_at] = tag[0]
        self._cells[self._tag_at + 1] = tag[1]
        self.requests.clear()
        self.tokens.clear()

    def is_forgotten(self, now: float) -> bool:
        """Return whether nothing of the last minute is known of the key that has the row."""
        return self.requests.is_empty(now) and self.tokens.is_empty(now)


class LimitsTable:
    """The shared table, seen from one process. To be used from one thread.

    Attributes:
        closed: whether nothing can be counted any more.
    """

    def __init__(self, worker: Worker) -> None:
        self.closed = False
        self._worker = worker
        self._column = worker.index * ROWS
        self._checked = [float("-inf")] * MAX_WORKERS
        self._marks: dict[str, tuple[int, Tag]] = {}
        self._hints: dict[str, Row] = {}
        self._rows: dict[int, Row] = {}
        self._path = worker.state / f"limits-{FORM}.table"
        try:
            self._file = _open(self._path)
            self._map = mmap.mmap(self._file, _BYTES)
        except OSError as error:
            raise LimitsTableUnusable(self._path, os.strerror(error.errno or 0)) from None
        whole = memoryview(self._map)
        self._cells = whole[:_COLUMNS_AT].cast("I")
        self._columns = whole[_COLUMNS_AT:_COLUMNS_END].cast("H")
        self._living = whole[_COLUMNS_END:].cast("H")
        whole.release()
        self._locked = False
        self._arrive()
        # A predecessor of the same number may have died with requests in progress.
        self._clear_column(worker.index)

    def close(self) -> None:
        """Let go of the file. No row may be used any more."""
        self.closed = True
        with self._worker.roll() as living:
            # Whoever is killed is counted until somebody comes; to lock needlessly is no harm.
            self._living[0] = len(living - {self._worker.index})
        self._cells.release()
        self._columns.release()
        self._living.release()
        self._map.close()
        os.close(self._file)

    def bucket_of(self, key_id: str) -> int:
        """Return the bucket of a key, which is to be locked around everything that follows."""
        return self._mark(key_id)[0]

    def lock(self, bucket: int) -> None:
        """Keep other processes from a bucket. The lock ends with this process at the latest."""
        if self._living[0] == 1:
            return
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, bucket)
        self._locked = True

    def unlock(self, bucket: int) -> None:
        """Let other processes at a bucket."""
        if self._locked:
            self._locked = False
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, bucket)

    def row_of(self, key_id: str, now: float) -> Row | None:
        """Return the row of a key, a new one if it has none; None if its bucket is full."""
        bucket, tag = self._mark(key_id)
        hint = self._hints.get(key_id)
        if hint is not None and hint.is_of(tag):
            return hint
        row = self._find(bucket, tag, now)
        if row is not None:
            self._hints[key_id] = row
        return row

    def in_progress(self, row: Row) -> int:
        """Return how many requests of a row all processes have in progress."""
        if self._living[0] == 1:
            # A look at every column is one at that many pages of memory.
            return self._columns[self._column + row.index]
        return sum(self._columns[row.index :: ROWS])

    def clear_the_dead(self, row: Row) -> None:
        """Give back what processes hold of a row that have died."""
        now = time.monotonic()
        for index in range(MAX_WORKERS):
            if (
                self._columns[index * ROWS + row.index]
                and index != self._worker.index
                and now - self._checked[index] >= CHECK_SECONDS
            ):
                self._checked[index] = now
                with self._worker.vacancy(index) as vacant:
                    if vacant:
                        self._clear_column(index)

    def begin(self, row: Row) -> None:
        """Count a request of this process as in progress."""
        at = self._column + row.index
        self._columns[at] = min(self._columns[at] + 1, _MOST)

    def end(self, row: Row) -> None:
        """Count it as ended. Needs no lock, since nobody else writes to the column."""
        at = self._column + row.index
        self._columns[at] = max(self._columns[at] - 1, 0)

    def _arrive(self) -> None:
        with self._worker.roll() as living:
            self._living[0] = len(living | {self._worker.index})
        if self._living[0] > 1:
            time.sleep(ARRIVAL_SECONDS)

    def _find(self, bucket: int, tag: Tag, now: float) -> Row | None:
        first = bucket * ROWS_OF_BUCKET
        rows = [self._row(index) for index in range(first, first + ROWS_OF_BUCKET)]
        for row in rows:
            if row.is_of(tag):
                return row
        for row in rows:
            if row.is_forgotten(now) and not self.in_progress(row):
                row.give_to(tag)
                return row
        return None

    def _row(self, index: int) -> Row:
        row = self._rows.get(index)
        if row is None:
            row = self._rows[index] = Row(self._cells, index)
        return row

    def _mark(self, key_id: str) -> tuple[int, Tag]:
        mark = self._marks.get(key_id)
        if mark is None:
            if len(self._marks) > 2 * ROWS:
                # Of keys that are long gone, mostly.
                self._marks.clear()
                self._hints.clear()
            digest = hashlib.blake2b(key_id.encode(), digest_size=12).digest()
            one, two, three = (int.from_bytes(digest[at : at + 4]) for at in (0, 4, 8))
            mark = self._marks[key_id] = (one % BUCKETS, (two, three))
        return mark

    def _clear_column(self, index: int) -> None:
        self._columns[index * ROWS : (index + 1) * ROWS] = _EMPTY_COLUMN


def _open(path: Path) -> int:
    """Return the file, of the right length and with all of its disk space.

    Raises:
        OSError: there is no room for it, or it cannot be opened.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        allocate(file, _BYTES)
    except OSError:
        os.close(file)
        raise
    return file
