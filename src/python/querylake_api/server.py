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
from collections.abc import Generator

import uvicorn
import uvloop

from querylake_api.app import Application, running_application
from querylake_api.configuration.loading import Configuration
from querylake_api.errors import OperatorError
from querylake_api.observability.log_writer import LogWriter
from querylake_api.observability.observer import Observer

BACKLOG = 2048
KEEP_ALIVE_SECONDS = 75
"""Longer than clients keep idle connections, so that it is they who close them: a server that
closes first races with their next request."""

_log = logging.getLogger(__name__)


class PortInUse(OperatorError):
    """Another program listens on the address."""


class _Server(uvicorn.Server):
    """uvicorn's server, with signals left to `serve`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals alone: uvicorn would raise them again at the end and kill the clean-up."""
        yield


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


def serve(configuration: Configuration, listener: socket.socket, writer: LogWriter) -> None:
    """Serve until SIGTERM or SIGINT, then stop accepting and drain. A second SIGINT ends the drain.

    Raises:
        OperatorError: the application could not start.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(configuration, listener, writer))


async def _serve(configuration: Configuration, listener: socket.socket, writer: LogWriter) -> None:
    loop = asyncio.get_running_loop()
    starting = asyncio.current_task()
    assert starting is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, starting.cancel)
    try:
        async with running_application(configuration, writer) as application:
            server = server_for(configuration, application)
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, server.handle_exit, number, None)
            _log.info("listening on %s", _url(listener))
            await server.serve(sockets=[listener])
            await _idle(application.observer)
    except asyncio.CancelledError:
        _log.info("stopped before it was ready")
    _log.info("stopped")


def server_for(configuration: Configuration, application: Application) -> uvicorn.Server:
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
    return _Server(config)


async def _idle(observer: Observer) -> None:
    """Let requests that the drain timeout has just cancelled say so to their clients."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(2.0):
            while observer.in_flight:
                await asyncio.sleep(0.01)


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
