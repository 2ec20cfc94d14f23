"""Going from one generation to the next without a request noticing."""

# interpreted: a request asks it for one attribute.

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import AsyncExitStack

from querylake_api.configuration.loading import Configuration
from querylake_api.configuration.reloading import (
    Reloader,
    ReloadReport,
    WorkerState,
    reread,
)
from querylake_api.process.generation import Generation, LastingComponents, running_generation
from querylake_api.upstreams.registry import Upstreams

_log = logging.getLogger(__name__)


class GenerationSwitch:
    """The current generation, and the old ones that still have requests.

    Args:
        parent: reloads every worker of the server; None if this process is alone, and then the
            reload is done here.
    """

    def __init__(self, lasting: LastingComponents, parent: Reloader | None) -> None:
        self._lasting = lasting
        self.reloader: Reloader = parent or AloneReloader(self)
        self._current: Generation | None = None
        self._close_current = AsyncExitStack()
        self._closing: set[asyncio.Task[None]] = set()
        self._lock = asyncio.Lock()

    @property
    def current(self) -> Generation:
        """The generation that a request belongs to which comes now."""
        assert self._current is not None, "no configuration was adopted yet"
        return self._current

    def present(self) -> tuple[Configuration, Upstreams]:
        """Return the current configuration and its engines."""
        return self.current.configuration, self.current.components.upstreams

    def state(self) -> WorkerState:
        """Return what this process runs."""
        return WorkerState(
            index=self._lasting.worker.index,
            pid=os.getpid(),
            generation=self.current.number,
            digest=self.current.configuration.digest,
        )

    async def adopt(self, number: int, configuration: Configuration) -> None:
        """Build a generation and make it the current one. If that fails, nothing has changed."""
        async with self._lock:
            stack = AsyncExitStack()
            generation = await stack.enter_async_context(
                running_generation(number, configuration, self._lasting, self.reloader)
            )
            previous, close_previous = self._current, self._close_current
            self._current, self._close_current = generation, stack
        if previous is not None:
            previous.retire()
            closing = asyncio.create_task(_close_when_idle(previous, close_previous))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close every generation. No request may be in flight that is to go on."""
        for closing in list(self._closing):
            closing.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self._close_current.aclose()


class AloneReloader:
    """Reloads a server that is one process."""

    def __init__(self, generations: GenerationSwitch) -> None:
        self._switch = generations
        self._lock = asyncio.Lock()

    async def reload(self) -> ReloadReport:
        """Read the configuration again and adopt it; see `Reloader.reload`."""
        async with self._lock:
            current = self._switch.current
            old = current.configuration
            new, restart_needed = await asyncio.to_thread(reread, old)
            if new != old:
                await self._switch.adopt(current.number + 1, new)
                _log.info(
                    "adopted the configuration %s as generation %d", new.digest, current.number + 1
                )
            return ReloadReport(
                changed=new != old, restart_needed=restart_needed, workers=self.workers()
            )

    def workers(self) -> list[WorkerState]:
        """Return the state of this process."""
        return [self._switch.state()]


async def _close_when_idle(generation: Generation, stack: AsyncExitStack) -> None:
    try:
        await generation.idle.wait()
    finally:
        await stack.aclose()
    _log.info("the last request of generation %d has ended", generation.number)
