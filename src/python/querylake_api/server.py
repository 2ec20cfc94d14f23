"""Serving an application on a socket until a signal, and letting streams finish before leaving."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import math
import os
import signal
import socket
import sys
from collections.abc import Callable, Generator, Iterator
from multiprocessing.connection import Connection

import uvicorn
import uvloop

from querylake_api.app import Application, running_application
from querylake_api.configuration.loading import Configuration
from querylake_api.errors import OperatorError
from querylake_api.observability.log_writer import DirectWriter, LogWriter
from querylake_api.observability.logs import configure_logging
from querylake_api.observability.observer import Observer
from querylake_api.workers.link import ParentLink
from querylake_api.workers.messages import Failed, FromParent, Ready, Stop
from querylake_api.workers.supervisor import Supervisor
from querylake_api.workers.worker import Worker

BACKLOG = 2048
KEEP_ALIVE_SECONDS = 75
"""Longer than clients keep idle connections, so that it is they who close them: a server that
closes first races with their next request."""

_log = logging.getLogger(__name__)


class PortInUse(OperatorError):
    """Another program listens on the address."""


class ApiServer(uvicorn.Server):
    """uvicorn's server, with signals left to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals alone: uvicorn would raise them again at the end and kill the clean-up."""
        yield

    def drain(self) -> None:
        """Accept nothing more, and end when every request has, or the drain timeout has passed."""
        self.should_exit = True

    def cut(self) -> None:
        """End now. Requests in flight are cancelled, and their clients told so."""
        self.should_exit = True
        self.force_exit = True
        for task in self.server_state.tasks:
            task.cancel()


def listen(host: str, port: int) -> socket.socket:
    """Return a bound socket.

    Raises:
        PortInUse: somebody else has it.
        OperatorError: the address is not one of this machine's, or may not be used.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except socket.gaierror as error:
        raise OperatorError(f"server.host: {host!r} cannot be resolved: {error.strerror}") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(
                f"port {port} on {host} is in use by another program; stop it, or choose another "
                "port with --port or server.port"
            ) from None
        reason = os.strerror(error.errno or 0)
        raise OperatorError(f"cannot listen on {host} port {port}: {reason}") from None
    return listener


def serve(configuration: Configuration, listener: socket.socket) -> None:
    """Serve with as many processes as configured until SIGTERM or SIGINT, then drain.

    A second signal ends the drain.

    Raises:
        OperatorError: the application could not start.
    """
    settings = configuration.settings.server
    if settings.workers == 1:
        _serve_alone(configuration, listener)
        return
    configure_logging(DirectWriter())
    url = _url(listener)
    Supervisor(
        lambda connection: _serve_as_worker(configuration, listener, connection),
        count=settings.workers,
        listener=listener,
        announce=lambda: _log.info("listening on %s", url),
        drain_seconds=settings.drain_seconds,
    ).run()
    _log.info("stopped")


def _serve_alone(configuration: Configuration, listener: socket.socket) -> None:
    async def run(writer: LogWriter) -> None:
        serving = Serving(configuration, listener, writer)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, serving.stop_or_cut)
        await serving.run(lambda _: _log.info("listening on %s", _url(listener)))
        _log.info("stopped")

    with _event_loop() as (runner, writer):
        runner.run(run(writer))


def _serve_as_worker(
    configuration: Configuration, listener: socket.socket, connection: Connection
) -> None:
    """Serve as one of several, until the parent says otherwise or is gone."""

    async def run(writer: LogWriter) -> None:
        serving = Serving(configuration, listener, writer)

        def heard(message: FromParent) -> None:
            match message:
                case Stop(now=True):
                    serving.cut()
                case Stop():
                    serving.stop()

        link = ParentLink(connection, heard)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.stop)
        await serving.run(lambda worker: link.tell(Ready(worker.index)))

    with _event_loop() as (runner, writer):
        try:
            runner.run(run(writer))
        except OperatorError as error:
            connection.send(Failed(str(error), error.exit_code))
            sys.exit(error.exit_code)


@contextlib.contextmanager
def _event_loop() -> Iterator[tuple[asyncio.Runner, LogWriter]]:
    writer = LogWriter()
    configure_logging(writer)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            yield runner, writer
    finally:
        writer.close()


class Serving:
    """An application on a socket, which may be told to stop at any time, also before it serves."""

    def __init__(
        self, configuration: Configuration, listener: socket.socket, writer: LogWriter
    ) -> None:
        self._configuration = configuration
        self._listener = listener
        self._writer = writer
        self._starting = asyncio.current_task()
        self._server: ApiServer | None = None

    async def run(self, ready: Callable[[Worker], None]) -> None:
        """Serve until told to stop.

        Args:
            ready: called when requests are accepted.

        Raises:
            OperatorError: the application could not start.
        """
        try:
            async with running_application(self._configuration, self._writer) as application:
                self._server = server_for(self._configuration, application)
                ready(application.worker)
                await self._server.serve(sockets=[self._listener])
                await _idle(application.observer)
        except asyncio.CancelledError:
            _log.info("stopped before it was ready")

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
        http="httptools",
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


async def _idle(observer: Observer) -> None:
    """Let requests that the drain timeout has just cancelled say so to their clients."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(2.0):
            while observer.in_flight:
                await asyncio.sleep(0.01)


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
