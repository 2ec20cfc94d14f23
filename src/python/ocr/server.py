"""Serving on a socket until a signal."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager

import uvicorn
import uvloop
from starlette.types import ASGIApp

from bounded_http.protocol import BoundedHttp
from ocr.errors import AddressUnavailable

BACKLOG = 128
DRAIN_SECONDS = 30
"""How long requests in flight may take to finish once the end was asked for."""


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it is ready and leaves signals to `serve`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals alone: uvicorn would raise them again at the end, and exit with them."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        if sockets and not self.should_exit:
            print(f"ocr ready on {_url(sockets[0])}", flush=True)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; `serve` answers.

    Raises:
        AddressUnavailable: another program has it, or this machine does not.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except (socket.gaierror, UnicodeError) as error:
        raise AddressUnavailable(f"--host {host!r} cannot be resolved: {error}") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise AddressUnavailable(
                f"port {port} on {host} is in use by another program; stop it, or choose another "
                "port with --port"
            ) from None
        reason = os.strerror(error.errno or 0)
        raise AddressUnavailable(f"cannot listen on {host} port {port}: {reason}") from None
    return listener


def serve(application: AbstractAsyncContextManager[ASGIApp], listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, and let requests in flight finish.

    Args:
        application: entered before anything is served, and left after the last answer.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(application, listener))


async def _serve(
    application: AbstractAsyncContextManager[ASGIApp], listener: socket.socket
) -> None:
    async with application as app:
        server = _Server(_config(app))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, server.handle_exit, number, None)
        await server.serve(sockets=[listener])


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=BoundedHttp,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
