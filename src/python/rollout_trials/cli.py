"""The command line: `rollout_trials.pex demo|matrix`."""

from __future__ import annotations

import asyncio
import fcntl
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from rollout_trials.demo import demo as run_demo
from rollout_trials.errors import TrialError
from rollout_trials.matrix import matrix as run_matrix
from rollout_trials.site import empty_folder

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Rollouts tried on real engines, with faults put in on purpose.",
)

ApiPex = Annotated[Path, typer.Option(help="The built API.")]
RuntimePex = Annotated[Path, typer.Option(help="The built CPU engine.")]
Folder = Annotated[Path, typer.Option(help="For everything that is written; emptied first.")]

API = Path("dist/querylake_api.pex")
RUNTIME = Path("dist/cpu_runtime.pex")


@app.command()
def demo(
    api: ApiPex = API,
    runtime: RuntimePex = RUNTIME,
    folder: Folder = Path(".querylake/demo"),
    port: Annotated[int, typer.Option(help="Where the API listens; 0 picks one.")] = 0,
    stay: Annotated[bool, typer.Option("--stay", help="Leave it running at the end.")] = False,
) -> None:
    """A healthy rollout is promoted, and faulty ones are rolled back."""
    console = Console()
    with alone(folder):
        work = run_demo(
            console,
            empty_folder(folder.resolve() / "run"),
            api_pex=api.resolve(),
            runtime_pex=runtime.resolve(),
            port=port,
            stay=stay,
        )
        raise typer.Exit(until_signal(work, console))


@app.command()
def matrix(
    api: ApiPex = API,
    runtime: RuntimePex = RUNTIME,
    folder: Folder = Path(".querylake/matrix"),
    vllm: Annotated[
        Path | None,
        typer.Option(
            help="Both stacks are vLLM, from the folder that build-support/vllm-cpu made."
        ),
    ] = None,
    only: Annotated[
        str, typer.Option(help="Titles that contain one of these words; commas separate.")
    ] = "",
) -> None:
    """Every fault on real engines: a table of times, requests, and what users saw."""
    console = Console(stderr=True)
    with alone(folder):
        work = run_matrix(
            console,
            empty_folder(folder.resolve() / "run"),
            api_pex=api.resolve(),
            runtime_pex=runtime.resolve(),
            vllm=vllm,
            only=only,
        )
        raise typer.Exit(until_signal(work, console))


def main() -> None:
    """Run a command; what is wrong is one sentence."""
    try:
        app()
    except TrialError as error:
        sys.exit(f"error: {error}")


def until_signal(work: Coroutine[Any, Any, int], console: Console) -> int:
    """Run to the end, or until Ctrl-C or SIGTERM; everything is stopped in either case.

    Returns:
        What the work returned, or as shells have it 128 and the number of the signal.
    """
    received: list[int] = []

    async def run() -> int:
        task = asyncio.ensure_future(work)

        def end(number: int) -> None:
            received.append(number)
            task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, end, number)
        try:
            return await task
        except asyncio.CancelledError:
            console.print("Stopped.")
            return 128 + received[0]

    return asyncio.run(run())


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Be the only one that uses a folder. The kernel lets go of the lock however we end."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TrialError(
                f"another run uses {folder}; wait for it, stop it, or name another --folder"
            ) from None
        yield
