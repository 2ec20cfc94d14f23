"""`serve`: one process or several on a socket, from the first signal handler to the last exit."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from functools import partial
from multiprocessing.connection import Connection

import uvloop

from querylake_api.configuration.loading import Configuration
from querylake_api.errors import OperatorError
from querylake_api.observability.log_writer import DirectWriter, LogWriter
from querylake_api.observability.logs import configure_logging
from querylake_api.process.server_process import BACKLOG, ServerProcess
from querylake_api.workers.link import ParentLink
from querylake_api.workers.messages import Adopt, Failed, Stop
from querylake_api.workers.supervisor import Supervisor

_log = logging.getLogger(__name__)


class PortInUse(OperatorError):
    """Another program listens on the address."""


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

    A second signal ends the drain. SIGHUP reads the configuration again.

    Raises:
        OperatorError: the application could not start.
    """
    if configuration.settings.server.workers == 1:
        _serve_alone(configuration, listener)
        return
    configure_logging(DirectWriter())
    url = _url(listener)
    Supervisor(
        partial(_serve_as_worker, listener),
        configuration=configuration,
        listener=listener,
        announce=lambda: _log.info("listening on %s", url),
    ).run()
    _log.info("stopped")


def _serve_alone(configuration: Configuration, listener: socket.socket) -> None:
    url = _url(listener)

    async def run(writer: LogWriter) -> None:
        process = ServerProcess(configuration, listener, writer)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, process.stop_or_cut)
        loop.add_signal_handler(signal.SIGHUP, process.reload)
        await process.run(lambda _: _log.info("listening on %s", url))
        _log.info("stopped")

    with _event_loop() as (runner, writer):
        runner.run(run(writer))


def _serve_as_worker(
    listener: socket.socket, connection: Connection, generation: int, configuration: Configuration
) -> None:
    """Serve as one of several, until the parent says otherwise or is gone."""

    async def run(writer: LogWriter) -> None:
        process = ServerProcess(configuration, listener, writer, generation=generation)
        link = ParentLink(connection, configuration.path, lambda order: obey(order))

        def obey(order: Stop | Adopt) -> None:
            match order:
                case Stop(now=True):
                    process.cut()
                case Stop():
                    process.stop()
                case Adopt():
                    process.adopt(order.generation, order.configuration, link.adopted)

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, process.stop)
        await process.run(link.ready, parent=link)

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


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
