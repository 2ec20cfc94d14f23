"""Real engines on a CPU, as `build-support/vllm-cpu` makes them."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

MODEL = "smollm2"
START_SECONDS = 400.0
_STOP_SECONDS = 20.0


class EngineNotStarted(Exception):
    """An engine did not become ready; the message holds the end of its log."""


@dataclass(frozen=True)
class Setup:
    """How one engine is started.

    Attributes:
        release: `stable` or `edge`: which of the two folders it comes from.
        dtype: the type of weights and arithmetic.
        threads: for OpenMP.
        compiled: whether the model's graph is compiled.
        model: a folder; None for the one beside the engine.
        arguments: further ones of `vllm serve`.
    """

    release: str = "stable"
    dtype: str = "float32"
    threads: int = 1
    compiled: bool = False
    model: Path | None = None
    arguments: tuple[str, ...] = field(default=())


@asynccontextmanager
async def running(setup: Setup, made: Path, folder: Path) -> AsyncIterator[str]:
    """Start an engine, give its URL up to and with `/v1`, and end it by its process group.

    Args:
        made: what `build-support/vllm-cpu` has made for this release.
        folder: for its log and its caches.

    Raises:
        EngineNotStarted: it is not ready in time.
    """
    port = _free_port()
    log = folder / f"vllm-{port}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *_command(setup, made, port),
            stdout=output,
            stderr=output,
            env=_environment(setup, folder),
            start_new_session=True,
        )
    try:
        await _ready(process, f"http://127.0.0.1:{port}/health", log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        await _end(process)


def _command(setup: Setup, made: Path, port: int) -> tuple[str, ...]:
    model = setup.model or made / "smollm2"
    return (
        *(str(made / "venv/bin/python"), "-m", "vllm.entrypoints.cli.main", "serve", str(model)),
        *("--host", "127.0.0.1", "--port", str(port), "--served-model-name", MODEL),
        *("--max-model-len", "1024", "--max-num-seqs", "8", "--dtype", setup.dtype),
        *("--enable-auto-tool-choice", "--tool-call-parser", "hermes"),
        "--trust-request-chat-template",
        *(() if setup.compiled else ("--enforce-eager",)),
        *setup.arguments,
    )


def _environment(setup: Setup, folder: Path) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "USER": "benchmark",
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": str(setup.threads),
    }


async def _ready(process: asyncio.subprocess.Process, url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    async with httpx.AsyncClient(timeout=5) as client:
        while time.monotonic() < deadline and process.returncode is None:
            with suppress(httpx.HTTPError):
                if (await client.get(url)).is_success:
                    return
            await asyncio.sleep(0.5)
    raise EngineNotStarted(f"the engine is not ready; its log ends so:\n{log.read_text()[-2000:]}")


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the engine, and the core process that it would leave."""
    if process.returncode is None:
        process.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
