"""The ledger of one process: from a request to the spool, from the spool to the database."""

# compiled: runs for each request.

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from querylake_api.observability.metrics import Metrics
from querylake_api.persistence.database import Database
from querylake_api.persistence.errors import DatabaseUnavailable
from querylake_api.requests.identity import RequestIdentity
from querylake_api.requests.record import EngineAttempts, RequestRecord, Workload
from querylake_api.usage.entry import EntryIds, begin_entry, end_entry
from querylake_api.usage.insertion import insert_entries
from querylake_api.usage.orphans import Orphan, Portion, orphans, portions
from querylake_api.usage.spool import Segment, Spool
from querylake_api.usage.tail import read_ends

SHIP_SECONDS: Final = 1.0
"""Between two looks for new records."""

LONGEST_PAUSE_SECONDS: Final = 15.0
"""Between two attempts while the database is away."""

ORPHAN_SECONDS: Final = 10.0
"""Between two looks for what dead processes have left."""

LAST_SECONDS: Final = 5.0
"""How long the last records may take to reach the database when the process ends."""

BATCH_ENTRIES: Final = 1000
REPEAT_SECONDS: Final = 30.0
"""A trouble that lasts is told again this often."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LedgerState:
    """How far the ledger has come.

    Attributes:
        spool_bytes: on disk, of this process.
        waiting_bytes: of these, not yet in the database.
        oldest_wait_seconds: how long something has been waiting.
    """

    spool_bytes: int
    waiting_bytes: int
    oldest_wait_seconds: float


class Ledger:
    """Takes every request to a model; a `RecordSink` and a `Journal`."""

    def __init__(
        self, database: Database, folder: Path, metrics: Metrics, *, max_bytes: int
    ) -> None:
        self._database = database
        self._metrics = metrics
        self._folder = folder
        self._ids = EntryIds()
        self._spool = Spool(folder, self._ids.source, max_bytes=max_bytes)
        self._waiting_since: float | None = None
        self._told_refused = 0
        self._told_at = float("-inf")

    def sent(self, identity: RequestIdentity, workload: Workload, engines: EngineAttempts) -> str:
        """Note that a request is about to go to an engine; again, if it goes to another one.

        Returns:
            Its id in the ledger.
        """
        entry_id = engines.entry_id or self._ids.next()
        self._spool.begin(entry_id, begin_entry(entry_id, identity, workload, engines))
        return entry_id

    def finished(self, record: RequestRecord) -> None:
        """Note how a request to a model has ended. Those without a key leave no record."""
        if not record.workload.metered:
            return
        entry_id = record.engines.entry_id or record.identity.entry_id or self._ids.next()
        self._spool.end(entry_id, end_entry(entry_id, record, self._spool.begun(entry_id)))

    def state(self) -> LedgerState:
        """Return how far it has come."""
        spool = self._spool
        waited = 0.0 if self._waiting_since is None else time.monotonic() - self._waiting_since
        waiting = sum(segment.size - segment.taken for segment in spool.segments)
        return LedgerState(spool.bytes, waiting, waited)

    async def run(self) -> None:
        """Ship records until cancelled."""
        pause = SHIP_SECONDS
        look_at = time.monotonic()
        while True:
            try:
                if time.monotonic() >= look_at:
                    look_at = time.monotonic() + ORPHAN_SECONDS
                    await self._adopt()
                await self.ship()
            except DatabaseUnavailable as error:
                self._tell_away(error)
                pause = min(LONGEST_PAUSE_SECONDS, pause * 2)
                # The process may die of the same cause as the database.
                await asyncio.to_thread(_force, list(self._spool.segments))
            else:
                pause = SHIP_SECONDS
            self._tell_refused()
            await asyncio.sleep(pause)

    async def close(self) -> None:
        """Ship what is left, if that goes fast, and end the spool."""
        with suppress(TimeoutError, DatabaseUnavailable):
            async with asyncio.timeout(LAST_SECONDS):
                await self.ship()
        self._tell_refused()
        waiting = self.state().waiting_bytes
        if waiting:
            _log.warning(
                "%d bytes of usage records are still on disk in %s; the next process that starts "
                "with this state folder writes them to the database",
                waiting,
                self._folder,
            )
        self._spool.close()

    async def ship(self) -> None:
        """Put what is in the spool by now into the database.

        What comes meanwhile waits for the next time. Under load there is always some, and to ship
        it at once would be to ship request by request, without a pause.
        """
        spool = self._spool
        began = time.monotonic()
        for segment, size in [(segment, segment.size) for segment in spool.segments]:
            while segment.taken < size:
                if self._waiting_since is None:
                    self._waiting_since = began
                full = segment is not spool.segments[-1]
                tail = await asyncio.to_thread(read_ends, segment.path, segment.taken, size)
                if tail.damaged:
                    _log.error("%d damaged lines in %s", tail.damaged, segment.path)
                await self._insert(tail.entries)
                segment.taken += tail.taken
                if not tail.taken:
                    if not full:
                        break
                    segment.taken = size  # what is left was torn, and its record refused
        spool.drop_taken()
        waits = any(segment.taken < segment.size for segment in spool.segments)
        self._waiting_since = began if waits else None

    async def _adopt(self) -> None:
        """Empty the spools of processes that are gone."""
        with orphans(self._folder) as found:
            for orphan in found:
                await self._empty(orphan)

    async def _empty(self, orphan: Orphan) -> None:
        reading = portions(orphan)
        last: Portion | None = None
        count = damaged = 0
        while (portion := await asyncio.to_thread(next, reading, None)) is not None:
            await self._insert(portion.entries)
            count += len(portion.entries)
            damaged += portion.damaged
            last = portion
        lost = 0 if last is None else len(last.entries)
        orphan.remove()
        if count:
            _log.warning(
                "a process ended without emptying its spool: %d usage records found in it, of "
                "which %d are of requests that it was killed in; %d damaged lines",
                count,
                lost,
                damaged,
            )

    async def _insert(self, entries: list[bytes]) -> None:
        for start in range(0, len(entries), BATCH_ENTRIES):
            batch = entries[start : start + BATCH_ENTRIES]
            done = await insert_entries(self._database, batch)
            self._metrics.usage_written.add(amount=done.count)
            if done.refused:
                await asyncio.to_thread(self._keep_refused, done.refused)

    def _keep_refused(self, entries: list[bytes]) -> None:
        path = self._folder / "refused.jsonl"
        with path.open("ab") as file:
            file.writelines(entry + b"\n" for entry in entries)
        _log.error("the database takes %d usage records never; they are in %s", len(entries), path)

    def _tell_away(self, error: DatabaseUnavailable) -> None:
        if time.monotonic() - self._told_at >= REPEAT_SECONDS:
            self._told_at = time.monotonic()
            _log.warning(
                "usage records wait on disk (%d bytes): %s", self.state().waiting_bytes, error
            )

    def _tell_refused(self) -> None:
        refused = self._spool.refused
        if refused > self._told_refused:
            _log.error(
                "%d usage records are lost: %s",
                refused - self._told_refused,
                self._spool.fault or "a file could not be begun for a moment",
            )
            self._metrics.usage_refused.add(amount=refused - self._told_refused)
            self._told_refused = refused


def _force(segments: list[Segment]) -> None:
    with suppress(OSError):
        for segment in segments:
            segment.force()
