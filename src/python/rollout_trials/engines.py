"""The engines of a trial, and what can be done to them."""

from __future__ import annotations

import logging
import os
import resource
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import aiohttp

from rollout_trials.errors import ProgramFailed
from rollout_trials.faults import EngineFault
from rollout_trials.programs import (
    Program,
    children,
    free_port,
    pex,
    plain_environment,
    signal_all,
)
from rollout_trials.waiting import until

_log = logging.getLogger(__name__)


class Engine(Protocol):
    """An engine that runs.

    Attributes:
        url: without `/v1`.
        model: what it calls its model.
        runtime_url: where its supervisor answers; None if it has none.
        kind: what it is, in a few words.
        slots: requests that it works on at once.
        batching: how many times as many answers it makes when it has several requests.
    """

    slots: int
    batching: float
    url: str
    model: str
    runtime_url: str | None
    kind: str

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        ...

    async def hurt(self, fault: EngineFault) -> None:
        """Do something to it."""
        ...

    async def heal(self) -> None:
        """Make it well again, if need be by starting it anew, and wait until it is ready."""
        ...

    async def stop(self) -> None:
        """End it."""
        ...


class CpuRuntime:
    """The CPU engine; it has no supervisor."""

    def __init__(self, name: str, file: Path, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.model = "smollm2-135m-instruct"
        self.runtime_url: str | None = None
        self.kind = "cpu_runtime"
        self.slots = 4
        self.batching = 1.0
        # One thread: several that wait for each other in loops starve whatever else runs.
        options = ("--port", str(port), "--threads", "1", "--parallel", str(self.slots))
        self._program = Program(
            f"the {name} engine",
            pex(file, "serve", *options, "--no-embeddings"),
            folder / f"{name}.log",
            plain_environment(),
        )
        self._stopped: Sequence[int] = ()

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        self._program.log.write_bytes(b"")
        await self._program.start()
        await self._program.said("cpu_runtime ready on ")

    async def hurt(self, fault: EngineFault) -> None:
        """Kill everything of it, or stop the processes that compute while the others answer."""
        if fault == "killed":
            await self._program.kill()
        elif fault == "stalled":
            self._stopped = children(self._program.pid)
            signal_all(self._stopped, signal.SIGSTOP)
        else:
            raise ProgramFailed("the CPU engine has no supervisor that could report this")

    async def heal(self) -> None:
        """Let it go on, or start it again."""
        signal_all(self._stopped, signal.SIGCONT)
        self._stopped = ()
        process = self._program.process
        if process is None or process.returncode is not None:
            await self.start()

    async def stop(self) -> None:
        """End it."""
        signal_all(self._stopped, signal.SIGCONT)
        await self._program.stop()


class SupervisedVllm:
    """vLLM for CPUs under `vllm_runtime serve`, as `build-support/vllm-cpu` makes it."""

    def __init__(self, name: str, made: Path, sources: Path, folder: Path) -> None:
        port, runtime_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.model = "smollm2"
        self.runtime_url: str | None = f"http://127.0.0.1:{runtime_port}"
        self.kind = "vLLM 0.13 under vllm_runtime"
        self.slots = 16
        self.batching = 3.0
        home = folder / f"{name}-home"
        home.mkdir(exist_ok=True)
        environment = plain_environment(
            PYTHONPATH=str(sources),
            PYTHONDONTWRITEBYTECODE="1",
            HOME=str(home),
            HF_HUB_OFFLINE="1",
            OMP_NUM_THREADS="1",
            VLLM_CPU_KVCACHE_SPACE="1",
            VLLM_CPU_OMP_THREADS_BIND="nobind",
            VLLM_NO_USAGE_STATS="1",
        )
        command = (
            *(str(made / "venv/bin/python"), "-m", "vllm_runtime", "serve", str(made / "smollm2")),
            *("--port", str(port), "--runtime-port", str(runtime_port)),
            *("--state-dir", str(folder / f"{name}-state"), "--drain-notice-seconds", "1"),
            *("--drain-seconds", "5", "--max-restarts", "20"),
            *("--", "--served-model-name", self.model, "--max-model-len", "1024"),
            *("--max-num-seqs", str(self.slots), "--enforce-eager", "--dtype", "float32"),
        )
        self._program = Program(f"the {name} engine", command, folder / f"{name}.log", environment)
        self._stopped: Sequence[int] = ()

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        await self._program.start()
        await self._program.said("vllm_runtime: ready")
        await self._warm_up()

    async def hurt(self, fault: EngineFault) -> None:
        """Kill or stop the engine core, or let it have no more memory than it has now."""
        core = self._core()
        if fault == "killed":
            os.kill(core, signal.SIGKILL)
        elif fault == "stalled":
            self._stopped = (core,)
            os.kill(core, signal.SIGSTOP)
        else:
            status = Path(f"/proc/{core}/status").read_text()
            [data] = [line.split()[1] for line in status.splitlines() if line.startswith("VmData")]
            limit = int(data) * 1024
            resource.prlimit(core, resource.RLIMIT_DATA, (limit, limit))
            await self._ask("lake " * 900, "a request that needs more memory than is left")

    async def heal(self) -> None:
        """Let it go on, or wait until its supervisor has started it again."""
        signal_all(self._stopped, signal.SIGCONT)
        self._stopped = ()
        await self._ready()
        await self._warm_up()

    async def stop(self) -> None:
        """End it; the second signal means at once."""
        signal_all(self._stopped, signal.SIGCONT)
        await self._program.stop()

    def _core(self) -> int:
        for pid in children(self._program.pid):
            if b"EngineCor" in Path(f"/proc/{pid}/comm").read_bytes():
                return pid
        raise ProgramFailed("vLLM has no engine core")

    async def _ready(self) -> None:
        async with aiohttp.ClientSession() as session:

            async def ready() -> bool:
                try:
                    async with session.get(f"{self.runtime_url}/runtime/ready") as answer:
                        return answer.status == 200
                except aiohttp.ClientError:
                    return False

            await until(ready, 300, "vLLM is not ready again")

    async def _warm_up(self) -> None:
        """Send what it will be sent: the first requests of a new engine take long."""
        for _ in range(3):
            await self._ask("What is the capital of France?", "a request to warm up")

    async def _ask(self, question: str, what: str) -> None:
        body = {
            "model": self.model,
            "max_tokens": 4,
            "messages": [{"role": "user", "content": question}],
        }
        async with aiohttp.ClientSession() as session:
            try:
                async with session.post(f"{self.url}/v1/chat/completions", json=body) as answer:
                    await answer.read()
            except aiohttp.ClientError as error:
                _log.info("%s was not answered: %s", what, error)
