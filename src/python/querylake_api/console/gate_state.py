"""What the gates of the upgrade say, asked rarely: their program reads and hashes files."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from querylake_api.console.schemas import GateState
from querylake_api.process.components import Components
from querylake_api.rollouts.control.gates import Gates

CACHE_SECONDS = 30.0


class RecentGates:
    """The state of the gates, at most half a minute old unless somebody insists."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._state: GateState | None = None
        self._generation = 0
        self._checked_at = float("-inf")

    async def state(self, components: Components, *, fresh: bool) -> GateState:
        """Return what `rollouts.gates_command` says.

        Args:
            fresh: run the command, unless it was begun after the question came.
        """
        asked_at = time.monotonic()
        async with self._lock:
            limit = asked_at if fresh else asked_at - CACHE_SECONDS
            another = self._generation != components.generation
            if self._state is None or another or self._checked_at < limit:
                began = time.monotonic()
                self._state = await _checked(components)
                self._checked_at = began
                self._generation = components.generation
            return self._state


async def _checked(components: Components) -> GateState:
    configuration = components.configuration
    command = configuration.settings.rollouts.gates_command
    evidence = await Gates(command, configuration.folder).evidence()
    return GateState(
        configured=bool(command),
        command=command,
        holds=evidence.refusal is None,
        refusal=evidence.refusal,
        document=evidence.document,
        checked_at=datetime.now(UTC),
    )
