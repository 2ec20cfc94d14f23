"""One process that serves: an application on a socket, which can be told to stop and to reload."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import socket
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any

import uvicorn

from querylake_api.configuration.loading import Configuration, ConfigurationError
from querylake_api.configuration.reloading import Reloader, WorkerState
from querylake_api.event_loop.background import pause
from querylake_api.http_server.client_connection import ClientConnection
from querylake_api.http_server.connections import (
    ConnectionLimits,
    Connections,
    connections_for,
    raise_open_files,
)
from querylake_api.observability.log_writer import LogWriter
from querylake_api.observability.observer import Observer
from querylake_api.process import memory
from querylake_api.process.application import Application
from querylake_api.process.generation_switch import GenerationSwitch
from querylake_api.process.startup import running_application
from querylake_api.settings import ServerSettings

BACKLOG = 2048
KEEP_ALIVE_SECONDS = 75
"""Longer than clients keep idle connections, so that it is they who close them: a server that
closes first races with their next request."""

_log = logging.getLogger(__name__)


class ApiServer(uvicorn.Server):
    """uvicorn's server, with signals left to whoever runs it."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = asyncio.Event()

    async def main_loop(self) -> None:
        """Keep the date of answers until told to end; uvicorn's own wakes ten times a second."""
        while not await self.on_tick(0):
            await pause(1.0, self._ending)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals alone: uvicorn would raise them again at the end and kill the clean-up."""
        yield

    def drain(self) -> None:
        """Accept nothing more, and end when every request has, or the drain timeout has passed."""
        self.should_exit = True
        self._ending.set()

    def cut(self) -> None:
        """End now. Requests in flight are cancelled, and their clients told so."""
        self.drain()
        self.force_exit = True
        for task in self.server_state.tasks:
            task.cancel()


Adopted = Callable[[WorkerState, str | None], None]
"""Called with what runs after an attempt to adopt a configuration, and why it failed, if so."""


class ServerProcess:
    """An application on a socket, which may be told to stop at any time, also before it serves."""

    def __init__(
        self,
        configuration: Configuration,
        listener: socket.socket,
        writer: LogWriter,
        *,
        generation: int = 1,
    ) -> None:
        self._configuration = configuration
        self._listener = listener
        self._writer = writer
        self._generation = generation
        self._starting = asyncio.current_task()
        self._application: Application | None = None
        self._server: ApiServer | None = None
        self._work: set[asyncio.Task[None]] = set()

    async def run(
        self, ready: Callable[[WorkerState], None], *, parent: Reloader | None = None
    ) -> None:
        """Serve until told to stop.

        Args:
            ready: called when requests are accepted.
            parent: reloads all workers of the server; None if this is the only one.

        Raises:
            OperatorError: the application could not start.
        """
        try:
            async with running_application(
                self._configuration, self._writer, generation=self._generation, parent=parent
            ) as application:
                self._application = application
                self._server = server_for(self._configuration, application)
                memory.settle()
                ready(application.generations.state())
                await self._server.serve(sockets=[self._listener])
                await _idle(application.observer)
        except asyncio.CancelledError:
            _log.info("stopped before it was ready")

    def reload(self) -> None:
        """Read the configuration again, and say in the log how that went."""
        if self._application is not None:
            self._do(self._reload(self._application.generations))

    def adopt(self, number: int, configuration: Configuration, adopted: Adopted) -> None:
        """Use a configuration for requests that come from now on."""
        if self._application is not None:
            generations = self._application.generations
            self._do(self._adopt(generations, number, configuration, adopted))

    async def _reload(self, generations: GenerationSwitch) -> None:
        try:
            report = await generations.reloader.reload()
        except ConfigurationError as error:
            _log.error("the configuration is refused, and the running one stays: %s", error)
            return
        if not report.changed:
            _log.info("the configuration has not changed")
        for key in report.restart_needed:
            _log.warning("%s has changed, which takes effect when the server is restarted", key)

    async def _adopt(
        self,
        generations: GenerationSwitch,
        number: int,
        configuration: Configuration,
        adopted: Adopted,
    ) -> None:
        failure = None
        try:
            await generations.adopt(number, configuration)
        except Exception as error:  # noqa: BLE001 - whatever it is, the old generation serves on
            _log.exception("generation %d of the configuration cannot be adopted", number)
            failure = f"{type(error).__name__}: {error}"
        adopted(generations.state(), failure)

    def _do(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    def stop(self) -> None:
        """Accept nothing more, and end when the requests in flight have ended."""
        if self._server is not None:
            self._server.drain()
        elif self._starting is not None:
            self._starting.cancel()

    def cut(self) -> None:
        """End now."""
        if self._server is None:
            self.stop()
        else:
            self._server.cut()

    def stop_or_cut(self) -> None:
        """Stop the first time, and lose patience the second time."""
        if self._server is not None and self._server.should_exit:
            self._server.cut()
        else:
            self.stop()


def server_for(configuration: Configuration, application: Application) -> ApiServer:
    """Return a server of an application, which leaves signals to its caller."""
    config = uvicorn.Config(
        application,
        http=http_protocol(configuration.settings.server),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=math.ceil(configuration.settings.server.drain_seconds),
    )
    return ApiServer(config)


def http_protocol(settings: ServerSettings) -> Any:
    """Return what makes connections of clients, all within the same limits."""
    limits = ConnectionLimits(
        head_bytes=settings.max_head_bytes,
        head_seconds=settings.head_timeout_seconds,
        send_seconds=settings.send_timeout_seconds,
        connections=settings.max_connections or connections_for(raise_open_files()),
    )
    return partial(ClientConnection, shared=Connections(limits))


async def _idle(observer: Observer) -> None:
    """Let requests that the drain timeout has just cancelled say so to their clients."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(2.0):
            while observer.in_flight:
                await asyncio.sleep(0.01)
