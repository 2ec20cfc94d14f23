"""A worker's end of the pipe to its parent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection

from querylake_api.workers.messages import FromParent, FromWorker, Stop


class ParentLink:
    """Hands on what the parent says. The parent's death is a wish to stop.

    Args:
        heard: called in the event loop with every message.
    """

    def __init__(self, connection: Connection, heard: Callable[[FromParent], None]) -> None:
        self._connection = connection
        self._heard = heard
        asyncio.get_running_loop().add_reader(connection.fileno(), self._read)

    def tell(self, message: FromWorker) -> None:
        """Say something to the parent, if there still is one."""
        # If there is none, the reader notices too, and stops us.
        with suppress(OSError):
            self._connection.send(message)

    def close(self) -> None:
        """Listen no more."""
        asyncio.get_running_loop().remove_reader(self._connection.fileno())

    def _read(self) -> None:
        try:
            while self._connection.poll():
                self._heard(self._connection.recv())
        except (EOFError, OSError):
            self.close()
            self._heard(Stop(now=False))
