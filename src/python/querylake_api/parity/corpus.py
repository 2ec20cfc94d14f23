"""Recording requests of those who agreed, beside the requests and never in their way."""

# interpreted: a request that is not recorded costs a comparison here.

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable

from querylake_api.event_loop.background import pause
from querylake_api.inference.call import Call
from querylake_api.parity.repository import ParityRepository, SealedRequest, about, new_id
from querylake_api.parity.sealing import Seal
from querylake_api.persistence.errors import DatabaseUnavailable
from querylake_api.settings import CorpusSettings

FLUSH_SECONDS = 1.0
PRUNE_SECONDS = 60.0
MAX_WAITING = 200
"""Requests that wait to be stored, in each worker. Beyond that, none is recorded."""

_log = logging.getLogger(__name__)


class Corpus:
    """Takes requests, and stores them sealed.

    Args:
        chance: between 0 and 1, for the sample.

    Attributes:
        settings: who agreed, and the bounds; None if nothing is recorded.
        seal: closes what is stored; None likewise.
    """

    def __init__(
        self, repository: ParityRepository, chance: Callable[[], float] = random.random
    ) -> None:
        self._repository = repository
        self._chance = chance
        self._waiting: list[tuple[str, str, str, bytes]] = []
        self._pruned_at = -PRUNE_SECONDS
        self._hurry = asyncio.Event()
        self.settings: CorpusSettings | None = None
        self.seal: Seal | None = None

    def agreed(self, call: Call) -> bool:
        """Whether texts of a request may be kept: its key or its model is named for it."""
        settings = self.settings
        return settings is not None and (
            call.key.id in settings.keys or call.model.id in settings.models
        )

    def note(self, call: Call) -> None:
        """Record a request, if its texts may be kept and it is drawn."""
        settings = self.settings
        if settings is None or not self.agreed(call):
            return
        if len(call.body) > settings.max_body_bytes or len(self._waiting) >= MAX_WAITING:
            return
        if self._chance() < settings.share:
            self._waiting.append((call.key.id, call.model.id, call.endpoint.path, call.body))

    async def run(self) -> None:
        """Store and prune until cancelled."""
        while True:
            try:
                await self.flush()
                if time.monotonic() - self._pruned_at >= PRUNE_SECONDS:
                    await self.prune()
            except DatabaseUnavailable as error:
                # What could not be stored is gone: the corpus is a sample, and texts do not wait.
                _log.debug("no request is recorded: %s", error)
            await pause(FLUSH_SECONDS, self._hurry)

    async def flush(self) -> None:
        """Store what waits.

        Raises:
            DatabaseUnavailable: it is lost.
        """
        waiting, self._waiting = self._waiting, []
        if waiting and self.seal is not None:
            sealed = await asyncio.to_thread(_sealed, waiting, self.seal)
            await self._repository.add_requests(sealed)

    async def prune(self) -> None:
        """Delete what is too old or too much, also after recording was turned off.

        Raises:
            DatabaseUnavailable: nothing was deleted.
        """
        bounds = self.settings or CorpusSettings()
        await self._repository.prune(max_bytes=bounds.max_bytes, max_days=bounds.max_days)
        self._pruned_at = time.monotonic()


def _sealed(waiting: list[tuple[str, str, str, bytes]], seal: Seal) -> list[SealedRequest]:
    found = []
    for key_id, model, route, body in waiting:
        request = new_id()
        text = seal.seal(body, about(request, key_id, model, route))
        found.append(SealedRequest(request, key_id, model, route, text))
    return found
