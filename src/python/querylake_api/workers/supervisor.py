"""The parent of several workers: starts them, replaces the dead, and ends them.

It forks, so that a replacement takes no time to import anything and workers share memory. For that
it must itself stay without threads, event loops and connections; it does nothing but wait.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess

from querylake_api.workers.errors import WorkerFailed
from querylake_api.workers.messages import Failed, FromParent, FromWorker, Ready, Stop

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 10.0
"""Between a worker's end and its replacement; doubled each time until one lives long enough."""

SOUND_SECONDS = 30.0
"""A worker that lived for this long was not broken from the start."""

LAST_SECONDS = 10.0
"""How long a worker may take to end, beyond the drain timeout, before it is killed."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
_fork = multiprocessing.get_context("fork")
_log = logging.getLogger(__name__)

WorkerMain = Callable[[Connection], None]
"""What a worker does, from its birth to its end."""


@dataclass(slots=True)
class _Place:
    """One of the workers that there shall be, and who fills the place now.

    Attributes:
        failures: how many in a row did not live long.
        due: when the next one is to be started, in `monotonic` seconds.
    """

    number: int
    process: ForkProcess | None = None
    connection: Connection | None = None
    ready: bool = False
    failures: int = 0
    due: float = 0.0
    started: float = 0.0

    def tell(self, message: FromParent) -> None:
        if self.connection is None:
            return
        # If it is dead, `wait` reports it too.
        with suppress(OSError):
            self.connection.send(message)


class Supervisor:
    """Keeps a number of workers alive until a signal.

    Args:
        main: what each worker runs; it ends when told so over its pipe.
        listener: the socket that workers accept from, closed here as soon as they are to stop.
        announce: called once, when every worker has become ready.
        drain_seconds: how long workers take for requests in flight.
    """

    def __init__(
        self,
        main: WorkerMain,
        *,
        count: int,
        listener: socket.socket,
        announce: Callable[[], None],
        drain_seconds: float,
    ) -> None:
        self._main = main
        self._listener = listener
        self._announce = announce
        self._drain_seconds = drain_seconds
        self._places = [_Place(number) for number in range(count)]
        self._announced = False
        self._stops = 0
        self._kill_at = float("inf")
        self._failure: WorkerFailed | None = None

    def run(self) -> None:
        """Supervise until every worker has ended because a signal said so.

        SIGTERM and SIGINT let workers drain; a second one ends them at once.

        Raises:
            WorkerFailed: the first workers could not start; none is left running.
        """
        with _signals() as signals:
            while not self._finished():
                self._start_due(signals)
                for ready in wait(self._sources(signals), self._patience()):
                    if ready is signals:
                        self._obey(signals)
                self._hear()
                self._bury()
                self._kill_the_late()
        if self._failure is not None:
            raise self._failure
        _log.info("every worker has ended")

    def _finished(self) -> bool:
        return self._stops > 0 and all(place.process is None for place in self._places)

    def _sources(self, signals: socket.socket) -> list[socket.socket | Connection | int]:
        sources: list[socket.socket | Connection | int] = [signals]
        for place in self._places:
            if place.process is not None:
                sources.append(place.process.sentinel)
            if place.connection is not None:
                sources.append(place.connection)
        return sources

    def _patience(self) -> float | None:
        """Return how long there is nothing to do unless something happens."""
        moments = [self._kill_at] if self._stops else []
        moments += [place.due for place in self._places if place.process is None]
        soonest = min(moments, default=float("inf"))
        return None if soonest == float("inf") else max(0.0, soonest - time.monotonic())

    def _start_due(self, signals: socket.socket) -> None:
        if self._stops:
            return
        now = time.monotonic()
        for place in self._places:
            if place.process is None and place.due <= now:
                self._start(place, signals)

    def _start(self, place: _Place, signals: socket.socket) -> None:
        ours, theirs = _fork.Pipe()
        place.connection = ours
        place.process = _fork.Process(
            target=self._be_worker, args=(theirs, signals), name=f"worker-{place.number}"
        )
        place.ready = False
        place.started = time.monotonic()
        place.process.start()
        theirs.close()

    def _be_worker(self, connection: Connection, signals: socket.socket) -> None:
        """Run in the child. What is the parent's must go, or its end would not be noticed."""
        signal.set_wakeup_fd(-1)
        signals.close()
        for place in self._places:
            if place.connection is not None:
                place.connection.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        # A terminal sends this to the parent too, which decides what it means.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self._main(connection)

    def _obey(self, signals: socket.socket) -> None:
        for number in signals.recv(64):
            if number in (signal.SIGTERM, signal.SIGINT):
                self._stop()

    def _stop(self) -> None:
        self._stops += 1
        if self._stops == 1:
            _log.info("stopping %d workers", sum(p.process is not None for p in self._places))
            # From now on, connections are refused instead of waiting for somebody to take them.
            self._listener.close()
            self._kill_at = time.monotonic() + self._drain_seconds + LAST_SECONDS
        else:
            self._kill_at = min(self._kill_at, time.monotonic() + LAST_SECONDS)
        for place in self._places:
            place.tell(Stop(now=self._stops > 1))

    def _kill_the_late(self) -> None:
        if time.monotonic() < self._kill_at:
            return
        for place in self._places:
            if place.process is not None:
                _log.error("worker %s did not end in time and is killed", place.process.pid)
                place.process.kill()
        self._kill_at = float("inf")

    def _hear(self) -> None:
        for place in self._places:
            if place.connection is not None and not self._hear_out(place, place.connection):
                place.connection.close()
                place.connection = None

    def _hear_out(self, place: _Place, connection: Connection) -> bool:
        """Take in everything that a worker has said. Returns whether it may say more."""
        try:
            while connection.poll():
                self._heard(place, connection.recv())
        except (EOFError, OSError):
            return False
        return True

    def _heard(self, place: _Place, message: FromWorker) -> None:
        match message:
            case Ready(index):
                place.ready = True
                _log.info("worker %d is ready, process %s", index, _pid(place))
                if not self._announced and all(each.ready for each in self._places):
                    self._announced = True
                    self._announce()
            case Failed(reason, exit_code):
                if self._announced:
                    _log.error("worker %s cannot start: %s", _pid(place), reason)
                elif self._failure is None:
                    self._failure = WorkerFailed(reason, exit_code)
                    self._stop()

    def _bury(self) -> None:
        """Take note of workers that have ended, and decide when they are replaced."""
        for place in self._places:
            process = place.process
            if process is None or process.is_alive():
                continue
            process.join()
            place.ready = False
            lived = time.monotonic() - place.started
            place.failures = 0 if lived >= SOUND_SECONDS else place.failures + 1
            pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**place.failures / 2)
            place.due = time.monotonic() + pause
            if not self._stops:
                _log.error(
                    "worker process %d ended %s; another starts in %.1f s",
                    process.pid,
                    _ending(process.exitcode),
                    pause,
                )
            process.close()
            place.process = None
            if place.connection is not None:
                self._hear_out(place, place.connection)
                place.connection.close()
                place.connection = None


def _pid(place: _Place) -> int | None:
    return None if place.process is None else place.process.pid


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return f"by signal {-code} ({signal.strsignal(-code)})"
    return f"with exit code {code}"


@contextmanager
def _signals() -> Iterator[socket.socket]:
    """Give a socket from which the numbers of the signals that arrive can be read."""
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    before = {number: signal.signal(number, lambda *_: None) for number in _SIGNALS}
    previous = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    parent = os.getpid()
    try:
        yield reader
    finally:
        if os.getpid() == parent:
            signal.set_wakeup_fd(previous)
            for number, handler in before.items():
                signal.signal(number, handler)
        reader.close()
        writer.close()
