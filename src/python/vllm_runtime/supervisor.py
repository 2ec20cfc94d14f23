"""Starts the engine, watches it, restarts it within bounds, and ends it without losing requests."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from vllm_runtime.drain import Drain
from vllm_runtime.engine_client import engine_version
from vllm_runtime.engine_command import Engine
from vllm_runtime.engine_process import EngineProcess
from vllm_runtime.engine_run import EngineRun
from vllm_runtime.errors import EngineNotStarted, PortUnavailable
from vllm_runtime.exit_reason import PERMANENT, ExitReason, diagnose
from vllm_runtime.limits import Limits
from vllm_runtime.oom_kills import oom_kills as kernel_oom_kills
from vllm_runtime.ports import require_free_port
from vllm_runtime.process_family import ProcessFamily
from vllm_runtime.restart_budget import RestartBudget
from vllm_runtime.run_folder import RunFolder
from vllm_runtime.status import LastExit, State, Status


class Supervisor:
    """Runs one engine until it is told to stop, or until the engine cannot be kept running."""

    def __init__(
        self,
        engine: Engine,
        limits: Limits,
        folder: RunFolder,
        *,
        versions: dict[str, str | None],
        say: Callable[[str], None],
        show: Callable[[str], None],
        oom_kills: Callable[[], int | None] = kernel_oom_kills,
    ) -> None:
        """Prepare; nothing is started.

        Args:
            folder: of the engine's port; the engine was told its file of the gate.
            versions: what the status says of installed versions.
            say: takes sentences of our own.
            show: takes the engine's output, line by line.
            oom_kills: how often the kernel has killed for lack of memory.
        """
        self._engine = engine
        self._limits = limits
        self._folder = folder
        self._say = say
        self._show = show
        self._oom_kills = oom_kills
        self._budget = RestartBudget(limits.restarts)
        self._restarts: Counter[ExitReason] = Counter()
        self._drain = Drain(limits, folder, say)
        self._wake = asyncio.Event()
        self._status = Status(
            state=State.STARTING,
            ready=False,
            since=_now(),
            model=engine.model,
            engine_port=engine.port,
            versions=versions,
            config_sha256=engine.config_sha256,
        )

    def status(self) -> Status:
        """Return the status of now; may be called from any thread."""
        return self._status

    def stop(self) -> None:
        """Stop: let requests in flight finish the first time, at once the second time."""
        serves = self._status.state in (State.READY, State.STALLED)
        self._drain.ask(now=not serves)
        if serves:
            self._enter(State.DRAINING)
            self._say("draining: whoever routes here should send no further requests")
        self._wake.set()

    async def run(self) -> bool:
        """Keep the engine running. Returns True if it was stopped as asked, False if it failed.

        Raises:
            PortUnavailable: its port is taken before the first start.
            EngineNotStarted: the system refuses to start it the first time.
        """
        self._folder.open_gate()
        await self._end_left_behind()
        while True:
            delay = await self._run_once()
            if self._drain.asked:
                self._enter(State.STOPPED)
                self._say("stopped")
                return True
            if delay is None:
                return False
            self._say(f"starting it again in {delay:g} s")
            await self._sleep(delay)
            last = self._status.last_exit
            if last is not None and not self._drain.now:
                self._restarts[last.reason] += 1

    async def _end_left_behind(self) -> None:
        """End what a supervisor on this port has left, which was killed itself."""
        family = ProcessFamily.left_behind(self._folder.recorded())
        if left := len(family.alive()):
            self._say(f"{left} processes of an earlier engine were left behind, and are ended")
            await family.end(self._limits.term)

    def _after(self, last: LastExit | None, ready_seconds: float) -> float | None:
        """Say what happens after an engine's end, and return when it is started again, if ever.

        Args:
            last: None if somebody said stop.
        """
        if last is None:
            return None
        self._say(f"the engine has ended: {last.reason} ({last.detail})")
        if self._drain.asked:
            self._publish(last_exit=last)
            return None
        delay = self._restart_delay(last.reason, ready_seconds)
        self._enter(State.FAILED if delay is None else State.RESTARTING, last_exit=last)
        return delay

    def _restart_delay(self, reason: ExitReason, ready_seconds: float) -> float | None:
        if reason in PERMANENT:
            self._say("it is not started again: that would end in the same way")
            return None
        delay = self._budget.next_delay(ready_seconds)
        if delay is None:
            most = self._limits.restarts.max_restarts
            self._say(f"it is not started again: the bound is {most} restarts in a row")
        return delay

    async def _run_once(self) -> float | None:
        """Run one engine; returns how long to wait before the next one, None if there is none."""
        if self._drain.now:
            return None
        try:
            require_free_port(self._engine.host, self._engine.port, "--port")
            process = await EngineProcess.start(self._engine, self._show)
        except (PortUnavailable, EngineNotStarted) as error:
            if self._status.last_exit is None:
                raise
            taken = isinstance(error, PortUnavailable)
            reason = ExitReason.PORT_IN_USE if taken else ExitReason.UNKNOWN
            return self._after(_last_exit(reason, str(error)), 0.0)
        run = EngineRun(process, self._oom_kills())
        process.family.alive()
        self._folder.record(process.family.known)
        self._enter(
            State.STARTING,
            engine_pid=process.pid,
            restarts=self._restarts.total(),
            restarts_by_reason=dict(self._restarts),
        )
        self._say(f"engine process {process.pid} started")
        try:
            # Known before the rest of its processes has ended, which may take long.
            return self._after(await self._watch(run), run.ready_seconds())
        finally:
            self._publish(ready=False)
            killed = await process.end(self._limits.term)
            self._folder.record(process.family.known)
            if killed:
                self._say(f"{killed} of its processes had to be killed")

    async def _watch(self, run: EngineRun) -> LastExit | None:
        """Return why it ended or has to be ended; None if somebody said stop."""
        while True:
            await self._sleep(self._limits.poll, run.process.exited)
            if not run.process.exited.done() and not self._drain.now:
                known = run.process.family.known
                await run.look(self._engine.local_host, self._engine.port)
                if run.process.family.known != known:
                    self._folder.record(run.process.family.known)
                await self._note(run)
            if run.process.exited.done():
                await run.process.last_words()
                return self._reason(run)
            if self._drain.over(run):
                return None
            ended_for = run.to_be_ended(self._limits)
            if ended_for is not None:
                return self._reason(run, ended_for)

    async def _note(self, run: EngineRun) -> None:
        """Publish what was seen."""
        figures = run.metrics
        self._publish(
            engine_rss_bytes=run.rss,
            requests_running=figures.running if figures else None,
            requests_waiting=figures.waiting if figures else None,
            tokens_total=figures.tokens if figures else None,
        )
        if run.ready_at is None:
            return
        if self._status.state is State.STARTING:
            await self._became_ready(run)
        stalled = run.stalled(self._limits)
        if self._status.state is State.READY and stalled:
            self._enter(State.STALLED)
            self._say(f"stalled: no progress for {self._limits.stall:g} s")
        elif self._status.state is State.STALLED and not stalled:
            self._enter(State.READY)
            self._say("ready: it makes progress again")
        behind = timedelta(seconds=time.monotonic() - run.last_progress)
        self._publish(
            ready=self._status.state is State.READY and run.health == 200,
            last_progress=_now() - behind,
        )

    async def _became_ready(self, run: EngineRun) -> None:
        host, port = self._engine.local_host, self._engine.port
        version = await asyncio.to_thread(engine_version, host, port)
        # Somebody may have said stop while we asked.
        if not self._drain.asked:
            installed = self._status.versions
            self._enter(
                State.READY, versions={**installed, "vllm": version or installed.get("vllm")}
            )
            self._say(f"ready after {time.monotonic() - run.started:.1f} s")

    def _reason(self, run: EngineRun, ended_for: ExitReason | None = None) -> LastExit:
        ending = run.ending(ended_for, self._oom_kills())
        reason, detail = diagnose(ending, run.process.log)
        return _last_exit(reason, detail, ending.exit_code, tuple(run.process.log.tail))

    async def _sleep(self, seconds: float, exited: asyncio.Task[int] | None = None) -> None:
        """Wait, but no longer than until the engine has ended or somebody says stop."""
        self._wake.clear()
        if self._drain.now:
            return
        woken = asyncio.create_task(self._wake.wait())
        tasks: list[asyncio.Task[int] | asyncio.Task[bool]] = [woken]
        if exited is not None:
            tasks.append(exited)
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        woken.cancel()

    def _enter(self, state: State, **changes: object) -> None:
        if state in (State.STARTING, State.RESTARTING, State.FAILED, State.STOPPED):
            gone: dict[str, object] = {
                "engine_pid": None,
                "engine_rss_bytes": 0,
                "requests_running": None,
                "requests_waiting": None,
                "tokens_total": None,
            }
            changes = {**gone, **changes}
        self._publish(state=state, since=_now(), ready=state is State.READY, **changes)

    def _publish(self, **changes: object) -> None:
        # One assignment of a value that never changes: other threads see the old or the new one.
        self._status = self._status.model_copy(update=changes)


def _last_exit(
    reason: ExitReason, detail: str, exit_code: int | None = None, tail: tuple[str, ...] = ()
) -> LastExit:
    return LastExit(reason=reason, detail=detail, at=_now(), exit_code=exit_code, log_tail=tail)


def _now() -> datetime:
    return datetime.now(UTC)
