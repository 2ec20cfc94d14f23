"""The keys in memory, so that no request waits for the database and no outage turns keys away."""

from __future__ import annotations

import asyncio
import logging
import time

from querylake_api.event_loop.background import pause
from querylake_api.keys.models import ApiKey
from querylake_api.keys.repository import KeyRepository
from querylake_api.keys.secret import hash_key
from querylake_api.persistence.errors import DatabaseUnavailable

POLL_SECONDS = 0.75
"""How old the ring may be while the database answers and says nothing of a change: a revocation
must work within a second."""

MISS_SECONDS = 0.05
"""Least time between two looks at the database on behalf of unknown keys."""

_log = logging.getLogger(__name__)


class KeyRing:
    """The last known good set of keys.

    A change is seen as soon as the database gives notice of it. A counter is polled as well, since
    notices are lost in silence behind a connection pooler or across a failover.
    """

    def __init__(self, repository: KeyRepository) -> None:
        self._repository = repository
        self._by_hash: dict[str, ApiKey] = {}
        self._generation = 0
        self._looked_at = float("-inf")
        self._lock = asyncio.Lock()
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
            DatabaseUnavailable: the key is not known here, and nobody can say if it exists.
        """
        found = self.find(secret)
        if found is not None:
            return found
        if self._failure is not None:
            raise self._failure
        await self.refresh(spacing=MISS_SECONDS)
        return self.find(secret)

    async def refresh(self, *, spacing: float = 0.0) -> None:
        """Bring the ring up to the moment of this call. Many callers share one look.

        Args:
            spacing: seconds to leave after the previous look.

        Raises:
            DatabaseUnavailable: the ring stays as it was.
        """
        asked_at = time.monotonic()
        async with self._lock:
            if self._looked_at < asked_at:
                wait = self._looked_at + spacing - time.monotonic()
                if wait > 0:
                    await asyncio.sleep(wait)
                await self._look()
            if self._failure is not None:
                raise self._failure

    async def _look(self) -> None:
        self._looked_at = time.monotonic()
        try:
            generation = await self._repository.generation()
            if generation != self._generation:
                self._by_hash = await self._repository.valid()
                self._generation = generation
        except DatabaseUnavailable as error:
            self._note_failure(error)
        else:
            self._note_success()

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
