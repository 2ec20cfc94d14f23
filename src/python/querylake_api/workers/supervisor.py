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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess

from querylake_api.configuration.loading import Configuration, ConfigurationError
from querylake_api.configuration.reloading import ReloadReport, WorkerState, reread
from querylake_api.workers.errors import WorkerFailed
from querylake_api.workers.messages import (
    Adopt,
    Adopted,
    Failed,
    Fleet,
    FromParent,
    FromWorker,
    Ready,
    Reloaded,
    ReloadWanted,
    Stop,
)
from querylake_api.workers.reload_round import Asker, ReloadRound

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 10.0
"""Between a worker's end and its replacement; doubled each time until one lives long enough."""

SOUND_SECONDS = 30.0
"""A worker that lived for this long was not broken from the start."""

LAST_SECONDS = 10.0
"""How long a worker may take to end, beyond the drain timeout, before it is killed."""

RELOAD_SECONDS = 15.0
"""How long workers may take to follow a reload before they are said not to answer."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_fork = multiprocessing.get_context("fork")
_log = logging.getLogger(__name__)

WorkerMain = Callable[[Connection, int, Configuration], None]
"""What a worker does, from its birth to its end, with which generation of the configuration."""


@dataclass(slots=True)
class _Place:
    """One of the workers that there shall be, and who fills the place now.

    Attributes:
        state: what the worker runs, once it is ready.
        failures: how many in a row did not live long.
        due: when the next one is to be started, in `monotonic` seconds.
    """

    number: int
    process: ForkProcess | None = None
    connection: Connection | None = None
    state: WorkerState | None = None
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
        configuration: what workers start with, until a reload brings another.
        listener: the socket that workers accept from, closed here as soon as they are to stop.
        announce: called once, when every worker has become ready.
    """

    def __init__(
        self,
        main: WorkerMain,
        *,
        configuration: Configuration,
        listener: socket.socket,
        announce: Callable[[], None],
    ) -> None:
        server = configuration.settings.server
        self._main = main
        self._configuration = configuration
        self._generation = 1
        self._listener = listener
        self._announce = announce
        self._drain_seconds = server.drain_seconds
        self._places = [_Place(number) for number in range(server.workers)]
        self._announced = False
        self._stops = 0
        self._kill_at = float("inf")
        self._failure: WorkerFailed | None = None
        self._wanted: list[Asker] = []
        self._round: ReloadRound | None = None

    def run(self) -> None:
        """Supervise until every worker has ended because a signal said so.

        SIGTERM and SIGINT let workers drain; a second one ends them at once. SIGHUP reloads.

        Raises:
            WorkerFailed: the first workers could not start; none is left running.
        """
        with _signals() as signals:
            while not self._finished():
                self._start_due(signals)
                for ready in wait(self._sources(signals), self._seconds_to_wait()):
                    if ready is signals:
                        self._handle_signals(signals)
                self._read_pipes()
                # After the pipes: a worker that has said why it cannot start is not replaced.
                self._reap()
                self._continue_reloads()
                self._kill_overdue()
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

    def _seconds_to_wait(self) -> float | None:
        """Return how long there is nothing to do unless something happens."""
        moments = [self._kill_at] if self._stops else []
        moments += [self._round.deadline] if self._round is not None else []
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
        place.state = None
        place.started = time.monotonic()
        place.process.start()
        theirs.close()

    def _be_worker(self, connection: Connection, signals: socket.socket) -> None:
        """Run in the child. What is the parent's must go, or its end would not be noticed."""
        # Inherited: signals that reach the child must not wake the parent.
        signal.set_wakeup_fd(-1)
        signals.close()
        for place in self._places:
            if place.connection is not None:
                place.connection.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        # A terminal sends these to the parent too, which decides what they mean.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self._main(connection, self._generation, self._configuration)

    def _handle_signals(self, signals: socket.socket) -> None:
        for number in signals.recv(64):
            if number in (signal.SIGTERM, signal.SIGINT):
                self._stop()
            elif number == signal.SIGHUP:
                self._wanted.append(Asker(None))

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

    def _kill_overdue(self) -> None:
        if time.monotonic() < self._kill_at:
            return
        for place in self._places:
            if place.process is not None:
                _log.error("worker %s did not end in time and is killed", place.process.pid)
                place.process.kill()
        self._kill_at = float("inf")

    def _read_pipes(self) -> None:
        for place in self._places:
            if place.connection is not None and not self._drain_messages(place, place.connection):
                place.connection.close()
                place.connection = None

    def _drain_messages(self, place: _Place, connection: Connection) -> bool:
        """Take in everything that a worker has said. Returns whether it may say more."""
        try:
            while connection.poll():
                self._take_message(place, connection.recv())
        except (EOFError, OSError):
            return False
        return True

    def _take_message(self, place: _Place, message: FromWorker) -> None:
        match message:
            case Ready(state):
                self._note_ready(place, state)
            case ReloadWanted(ticket):
                self._wanted.append(Asker(place.number, ticket))
            case Adopted(state):
                place.state = state
                if self._round is not None:
                    self._round.answered(place.number, message)
                self._tell_fleet()
            case Failed(reason, exit_code):
                if self._announced:
                    _log.error("worker %s cannot start: %s", _pid(place), reason)
                elif self._failure is None:
                    self._failure = WorkerFailed(reason, exit_code)
                    self._stop()

    def _note_ready(self, place: _Place, state: WorkerState) -> None:
        place.state = state
        _log.info("worker %d is ready, process %d", state.index, state.pid)
        if state.generation != self._generation:
            place.tell(Adopt(self._generation, self._configuration))
        self._tell_fleet()
        if not self._announced and all(each.state is not None for each in self._places):
            self._announced = True
            self._announce()

    def _tell_fleet(self) -> None:
        states = (place.state for place in self._places if place.state is not None)
        fleet = Fleet(tuple(sorted(states, key=lambda state: state.index)))
        for place in self._places:
            if place.state is not None:
                place.tell(fleet)

    def _continue_reloads(self) -> None:
        """Begin the reloads that are wanted, and end those that everybody has followed."""
        while self._round is not None or (self._wanted and not self._stops):
            if self._round is None:
                askers, self._wanted = self._wanted, []
                self._round = self._begin_reload(askers)
            elif self._settled(self._round):
                self._answer(self._round.askers, self._report(self._round))
                self._round = None
            else:
                return

    def _settled(self, current: ReloadRound) -> bool:
        if time.monotonic() >= current.deadline:
            late = [place for place in self._places if place.number in current.pending]
            current.give_up(_pid(place) for place in late)
        return not current.pending

    def _begin_reload(self, askers: list[Asker]) -> ReloadRound | None:
        old = self._configuration
        try:
            new, restart_needed = reread(old)
        except ConfigurationError as error:
            _log.error("the configuration is refused, and the running one stays: %s", error)
            self._answer(askers, None, error.problems)
            return None
        changed = new != old
        if changed:
            self._generation += 1
            self._configuration = new
        following = [place for place in self._places if changed and place.state is not None]
        for place in following:
            place.tell(Adopt(self._generation, new))
        return ReloadRound(
            generation=self._generation,
            changed=changed,
            askers=askers,
            restart_needed=restart_needed,
            pending={place.number for place in following},
            deadline=time.monotonic() + RELOAD_SECONDS,
        )

    def _report(self, done: ReloadRound) -> ReloadReport:
        digest = self._configuration.digest
        if done.changed:
            _log.info("adopted the configuration %s as generation %d", digest, done.generation)
        else:
            _log.info("the configuration %s has not changed", digest)
        for key in done.restart_needed:
            _log.warning("%s has changed, which takes effect when the server is restarted", key)
        for failure in done.failures:
            _log.error("reload: %s", failure)
        return ReloadReport(
            changed=done.changed,
            restart_needed=done.restart_needed,
            workers=[place.state for place in self._places if place.state is not None],
            failures=done.failures,
        )

    def _answer(
        self, askers: list[Asker], report: ReloadReport | None, problems: Sequence[str] = ()
    ) -> None:
        for asker in askers:
            if asker.place is not None:
                self._places[asker.place].tell(Reloaded(asker.ticket, report, tuple(problems)))

    def _reap(self) -> None:
        """Take note of workers that have ended, and decide when they are replaced."""
        for place in self._places:
            process = place.process
            if process is None or process.is_alive():
                continue
            process.join()
            place.state = None
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
            if self._round is not None:
                self._round.ended(place.number)
            self._tell_fleet()
            if place.connection is not None:
                # Its last words are still in the pipe: above all, why it could not start.
                self._drain_messages(place, place.connection)
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
