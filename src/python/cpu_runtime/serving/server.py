"""The life of the server: load, say so, serve, let answers finish, end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import uvicorn
import uvloop

from bounded_http.protocol import BoundedHttp
from cpu_runtime.engine.served import Resources, Served, serve_models
from cpu_runtime.models.catalog import Model
from cpu_runtime.serving.application import application
from cpu_runtime.serving.listener import BACKLOG, url_of
from cpu_runtime.serving.state import State

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_KEEP_ALIVE_SECONDS = 75
"""Longer than clients keep idle connections: a server that closes first races with their next
request."""

_LAST_WORDS_SECONDS = 0.5
"""Of the drain time, what is kept for telling clients and ending the engines."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to serve, and how.

    Attributes:
        models: gives the models; it may have to convert one first, and is called in a thread.
        key: what clients have to show; None lets everybody in.
        drain_seconds: within which time after a signal everything has ended.
        ready: is told the base URL of the API when it can be used.
    """

    models: Callable[[], tuple[Model, ...]]
    resources: Resources
    key: str | None
    drain_seconds: float
    ready: Callable[[str], None]


class _Server(uvicorn.Server):
    """uvicorn's server, with signals left to us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals alone: uvicorn would raise them again at its end."""
        yield


def serve(plan: Plan, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT. A second signal ends the waiting for answers in flight.

    Raises:
        ModelUnusable: a model cannot be loaded.
        EngineDied: an engine ended by itself.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(plan, listener))


async def _serve(plan: Plan, listener: socket.socket) -> None:
    state = State()
    asked_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if asked_to_stop.is_set():
            state.in_flight.end_all()
        asked_to_stop.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal)
    server = _server(state, plan)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    url = url_of(listener)
    async with AsyncExitStack() as engines:
        try:
            working = asyncio.create_task(_work(plan, state, engines, url))
            stopping = asyncio.create_task(asked_to_stop.wait())
            await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if working.done():
                await working  # raises
        finally:
            # What an engine that died has left behind cannot be finished.
            await _drain(server, serving, state, 0.0 if working.done() else plan.drain_seconds)
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)


async def _work(plan: Plan, state: State, engines: AsyncExitStack, url: str) -> None:
    """Load the models and watch over them, until one fails.

    Raises:
        ModelUnusable: a model cannot be loaded.
        EngineDied: an engine ended by itself.
    """
    models = await asyncio.to_thread(plan.models)
    served = await serve_models(models, plan.resources, engines)
    state.publish(served)
    plan.ready(f"{url}/v1")
    raise await _first_death(served)


async def _first_death(models: tuple[Served, ...]) -> Exception:
    await asyncio.wait(
        [served.process.ended for served in models], return_when=asyncio.FIRST_COMPLETED
    )
    dead = next(served for served in models if served.process.ended.done())
    return await dead.process.death()


async def _drain(
    server: uvicorn.Server, serving: asyncio.Task[None], state: State, seconds: float
) -> None:
    """Take no more connections, and let answers in flight finish for some time."""
    server.should_exit = True
    asyncio.get_running_loop().call_later(
        max(0.0, seconds - _LAST_WORDS_SECONDS), state.in_flight.end_all
    )
    # Whoever does not read their answer is not waited for.
    await asyncio.wait((serving,), timeout=max(_LAST_WORDS_SECONDS, seconds))


def _server(state: State, plan: Plan) -> uvicorn.Server:
    config = uvicorn.Config(
        application(state, plan.key),
        http=BoundedHttp,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    )
    return _Server(config)
