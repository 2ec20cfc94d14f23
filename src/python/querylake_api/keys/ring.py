"""The keys in memory, so that no request waits for the database and no outage turns keys away."""

# compiled: runs for each request.

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from querylake_api.event_loop.background import pause
from querylake_api.keys.models import ApiKey
from querylake_api.keys.repository import KeyRepository, KeysVersion
from querylake_api.keys.secret import hash_key
from querylake_api.persistence.errors import DatabaseUnavailable

POLL_SECONDS = 0.75
"""How old the ring may be while the database answers and says nothing of a change: a revocation
must work within a second."""

MISS_SECONDS: Final = 0.05
"""Least time between two looks at the database on behalf of unknown keys."""

LOOK_UP_SECONDS = 3.0
"""How long the caller of an unknown key waits for the database. It may hang for half a minute."""

_log = logging.getLogger(__name__)


class KeyRing:
    """The last known good set of keys.

    A change is seen as soon as the database gives notice of it. A counter is polled as well, since
    notices are lost in silence behind a connection pooler or across a failover. Only the keys that
    were changed are then read, unless some were deleted.
    """

    def __init__(self, repository: KeyRepository) -> None:
        self._repository = repository
        self._by_hash: dict[str, ApiKey] = {}
        self._version: KeysVersion | None = None
        self._looked_at = float("-inf")
        self._lock = asyncio.Lock()
        self._coming: asyncio.Task[None] | None = None
        self._failure: DatabaseUnavailable | None = None

    @property
    def failure(self) -> DatabaseUnavailable | None:
        """Why the last look at the database failed, None if it did not."""
        return self._failure

    def find(self, secret: str) -> ApiKey | None:
        """Return the key as it was when the database last answered."""
        return self._by_hash.get(hash_key(secret))

    async def look_up(self, secret: str) -> ApiKey | None:
        """Return the key, asking the database before saying that there is none.

        Raises:
            DatabaseUnavailable: the key is not known here, and nobody can say if it exists; after
                `LOOK_UP_SECONDS` at the latest.
        """
        found = self.find(secret)
        if found is not None:
            return found
        self._require_database()
        # Not cancelled when the time is over: a connection that hangs takes long to be given up.
        coming = self._coming_look(MISS_SECONDS)
        done, _ = await asyncio.wait((coming,), timeout=LOOK_UP_SECONDS)
        if not done:
            reason = f"no response within {LOOK_UP_SECONDS:g} s"
            self._note_failure(DatabaseUnavailable(self._repository.where, reason))
        self._require_database()
        coming.result()
        return self.find(secret)

    async def refresh(self) -> None:
        """Bring the ring up to the moment of this call. Many callers share one look.

        Raises:
            DatabaseUnavailable: the ring stays as it was.
        """
        await asyncio.shield(self._coming_look(0.0))
        self._require_database()

    def _require_database(self) -> None:
        """Raise why the last look failed, if it did.

        A method, and not a check where it is needed: after such a check the type checker takes the
        attribute for None until the function ends, whatever an `await` does, and compiled code
        believes that.
        """
        failure = self._failure
        if failure is not None:
            raise failure

    def _coming_look(self, spacing: float) -> asyncio.Task[None]:
        """Return the next look that has not begun yet: one that has may miss what was just changed.

        Args:
            spacing: seconds to leave after the previous look, unless the coming one is ordered.
        """
        if self._coming is None or self._coming.done():
            self._coming = asyncio.create_task(self._take_turn(spacing))
        return self._coming

    async def _take_turn(self, spacing: float) -> None:
        async with self._lock:
            wait = self._looked_at + spacing - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            self._coming = None
            await self._look()

    async def _look(self) -> None:
        self._looked_at = time.monotonic()
        try:
            version = await self._repository.version()
            if version != self._version:
                await self._read(version)
        except DatabaseUnavailable as error:
            self._note_failure(error)
        else:
            self._note_success()

    async def _read(self, version: KeysVersion) -> None:
        known = self._version
        if known is not None and version.shows_all_since(known):
            await self._read_changes(known.number)
        else:
            self._by_hash = await self._repository.valid()
        # Only now: what fails half way is read once more, which does no harm.
        self._version = version

    async def _read_changes(self, since: int) -> None:
        after = ""
        while page := await self._repository.changed_page(since, after):
            for hashed, key in page:
                if key.revoked_at is None:
                    self._by_hash[hashed] = key
                else:
                    self._by_hash.pop(hashed, None)
            after = page[-1][1].id

    async def follow(self) -> None:
        """Keep the ring fresh until cancelled."""
        while True:
            await pause(POLL_SECONDS, self._repository.changed)
            try:
                await self.refresh()
            except DatabaseUnavailable:
                continue  # noted by refresh; the ring still serves what it knows

    def _note_failure(self, error: DatabaseUnavailable) -> None:
        if self._failure is None:
            _log.error("serving %d known keys without the database: %s", len(self._by_hash), error)
        self._failure = error

    def _note_success(self) -> None:
        if self._failure is not None:
            _log.warning("the database is back; keys are fresh again")
        self._failure = None
