"""A supervisor on top of the fake engine, and ways to drive both."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from loopback_testing.ports import free_port
from vllm_runtime.engine_command import engine_for
from vllm_runtime.limits import Limits
from vllm_runtime.profiles import Profile
from vllm_runtime.restart_budget import RestartPolicy
from vllm_runtime.run_folder import RunFolder, run_folder
from vllm_runtime.status import State, Status
from vllm_runtime.supervisor import Supervisor

FAKE_ENGINE = str(Path(__file__).with_name("fake_engine.py"))

SECONDS = 60.0
"""No single wait of a test may take longer, on however busy a machine."""

NO_RESTART = RestartPolicy(max_restarts=0)
QUICK = {"poll": 0.01, "drain_notice": 0.05, "term": 0.3, "dead": 0.1, "restarts": NO_RESTART}


class Running:
    """A supervisor at work."""

    def __init__(self, supervisor: Supervisor, folder: RunFolder, port: int, events: Path) -> None:
        self.supervisor = supervisor
        self.folder = folder
        self.said: list[str] = []
        self.shown: list[str] = []
        self.result: asyncio.Task[bool] | None = None
        self._port = port
        self._events = events

    @property
    def status(self) -> Status:
        return self.supervisor.status()

    def events(self) -> list[str]:
        """What the engines have noted, oldest first."""
        return self._events.read_text().splitlines() if self._events.exists() else []

    def core_pid(self) -> int:
        return int(next(each for each in self.events() if each.startswith("core")).split()[1])

    def core_runs(self) -> bool:
        """Whether the engine's core is there and is no zombie."""
        try:
            stat = Path(f"/proc/{self.core_pid()}/stat").read_text()
        except OSError:
            return False
        return stat.rpartition(") ")[2][0] not in "ZX"

    async def until(self, condition: Callable[[Status], bool]) -> Status:
        """Wait until the status is so, and return it."""
        async with asyncio.timeout(SECONDS):
            while not condition(self.status):
                await asyncio.sleep(0.002)
        return self.status

    async def ready(self) -> Status:
        return await self.until(lambda status: status.ready)

    async def until_said(self, sentence: str) -> None:
        """Wait until the supervisor has said something that begins so."""
        await self.until(lambda _: any(each.startswith(sentence) for each in self.said))

    async def tell(self, **wish: Any) -> None:
        """Change the engine's behaviour."""
        await asyncio.to_thread(self._post, json.dumps(wish).encode())

    async def ended(self) -> Status:
        """Wait until it has failed or was stopped, and return its last status."""
        assert self.result is not None
        async with asyncio.timeout(SECONDS):
            succeeded = await self.result
        assert succeeded == (self.status.state is State.STOPPED)
        return self.status

    def _post(self, body: bytes) -> None:
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}/fake", data=body)
        try:
            with urllib.request.urlopen(request, timeout=SECONDS):
                pass
        except ConnectionError:
            pass  # it may end before it has answered


class Supervise:
    """Starts supervisors, each on a fake engine that behaves in a certain way."""

    def __init__(self, folder: Path) -> None:
        self._events = folder / "events"
        self._state = folder / "state"

    @asynccontextmanager
    async def __call__(
        self,
        *,
        oom_kills: Callable[[], int | None] = lambda: 0,
        limits: dict[str, Any] | None = None,
        port: int | None = None,
        environment: dict[str, str] | None = None,
        interpreter: str = sys.executable,
        **behaviour: Any,
    ) -> AsyncIterator[Running]:
        port = free_port() if port is None else port
        with run_folder(self._state, port) as folder:
            running = self._start(
                port,
                folder,
                limits or {},
                oom_kills,
                interpreter,
                {
                    **os.environ,
                    **(environment or {}),
                    "FAKE_ENGINE": json.dumps(behaviour),
                    "FAKE_EVENTS": str(self._events),
                },
            )
            assert running.result is not None
            try:
                yield running
            finally:
                running.supervisor.stop()
                running.supervisor.stop()
                await asyncio.gather(running.result, return_exceptions=True)

    def _start(
        self,
        port: int,
        folder: RunFolder,
        limits: dict[str, Any],
        oom_kills: Callable[[], int | None],
        interpreter: str,
        environment: dict[str, str],
    ) -> Running:
        engine = engine_for(
            "fake/model",
            Profile(),
            [],
            host="127.0.0.1",
            port=port,
            closed_file=folder.closed_file,
            serve=(interpreter, "-S", FAKE_ENGINE),
            inherited=environment,
        )
        said: list[str] = []
        shown: list[str] = []
        supervisor = Supervisor(
            engine,
            Limits(**{**QUICK, **limits}),
            folder,
            versions={"vllm": None},
            say=said.append,
            show=shown.append,
            oom_kills=oom_kills,
        )
        running = Running(supervisor, folder, port, self._events)
        running.said, running.shown = said, shown
        running.result = asyncio.create_task(supervisor.run())
        return running


@pytest.fixture
def supervise(tmp_path: Path) -> Supervise:
    return Supervise(tmp_path)


@pytest.fixture(name="free_port")
def a_free_port() -> int:
    return free_port()
