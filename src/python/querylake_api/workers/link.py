"""A worker's end of the pipe to its parent."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from querylake_api.configuration.loading import ConfigurationError
from querylake_api.configuration.reloading import ReloadReport, WorkerState
from querylake_api.workers.messages import (
    Adopt,
    Adopted,
    Fleet,
    FromParent,
    FromWorker,
    Ready,
    Reloaded,
    ReloadWanted,
    Stop,
)


class ParentLink:
    """Passes orders on, and has reloads done by the parent, so that every worker takes part.

    Args:
        path: of the configuration, for error messages.
        obey: called in the event loop with every order. The parent's death is one to stop.
    """

    def __init__(
        self, connection: Connection, path: Path, obey: Callable[[Stop | Adopt], None]
    ) -> None:
        self._connection = connection
        self._path = path
        self._obey = obey
        self._fleet: tuple[WorkerState, ...] = ()
        # A successor's tickets must differ from those that this process leaves unanswered.
        self._tickets = itertools.count(os.getpid() << 20)
        self._waiting: dict[int, asyncio.Future[Reloaded]] = {}
        asyncio.get_running_loop().add_reader(connection.fileno(), self._read)

    def ready(self, state: WorkerState) -> None:
        """Say that this worker accepts requests."""
        self._tell(Ready(state))

    def adopted(self, state: WorkerState, failure: str | None) -> None:
        """Say how an order to adopt a configuration went."""
        self._tell(Adopted(state, failure))

    def _tell(self, message: FromWorker) -> None:
        # If there is none, the reader notices too, and stops us.
        with suppress(OSError):
            self._connection.send(message)

    async def reload(self) -> ReloadReport:
        """Have the parent reload every worker; see `Reloader.reload`."""
        ticket = next(self._tickets)
        answer: asyncio.Future[Reloaded] = asyncio.get_running_loop().create_future()
        self._waiting[ticket] = answer
        try:
            self._tell(ReloadWanted(ticket))
            reloaded = await answer
        finally:
            del self._waiting[ticket]
        if reloaded.report is None:
            raise ConfigurationError(self._path, list(reloaded.problems))
        return reloaded.report

    def workers(self) -> list[WorkerState]:
        """Return what each worker runs, as the parent last said."""
        return list(self._fleet)

    def _read(self) -> None:
        try:
            while self._connection.poll():
                self._take_message(self._connection.recv())
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self._connection.fileno())
            self._obey(Stop(now=False))

    def _take_message(self, message: FromParent) -> None:
        match message:
            case Fleet(workers):
                self._fleet = workers
            case Reloaded(ticket):
                if ticket in self._waiting:
                    self._waiting[ticket].set_result(message)
            case _:
                self._obey(message)
