"""`demo-rollout`: builds what it needs, and gives way to the program that shows rollouts."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from local_stack.build import Needed, ensure_built, require_programs
from local_stack.children import clean_environment
from local_stack.layout import DataDir, Repository
from local_stack.preflight import exclusive, prepare_data_dir, require_free_port, require_space
from local_stack.supervision import Children
from local_stack.terminal import Terminal

DATA_MEGABYTES = 500


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the command line says.

    Attributes:
        port: where the API listens; 0 picks one.
        stay: leave everything running at the end, until Ctrl-C.
    """

    data_dir: Path
    port: int = 0
    build: bool = True
    stay: bool = False


async def prepare_demo(
    options: DemoOptions, repository: Repository, children: Children, terminal: Terminal
) -> None:
    """Check, and build.

    Raises:
        LocalStackError: something is missing or failed; nothing that was started still runs.
    """
    data = DataDir(options.data_dir.resolve())
    prepare_data_dir(data)
    needed = Needed.for_demo(repository)
    with exclusive(data):
        require_space(data.root, DATA_MEGABYTES, "the demo", "free some, or choose --data-dir")
        if options.port:
            remedy = "stop it, or choose another port with --port"
            require_free_port("127.0.0.1", options.port, remedy)
        try:
            if options.build:
                await ensure_built(repository, needed, data, children, terminal)
            else:
                require_programs(needed)
        finally:
            await children.stop()


def become_demo(options: DemoOptions, repository: Repository) -> None:
    """Let the demonstration take the place of this process, and so its terminal and signals."""
    sys.stdout.flush()
    os.execve(sys.executable, demo_command(options, repository), clean_environment())


def demo_command(options: DemoOptions, repository: Repository) -> list[str]:
    """Return the command line of the program that shows rollouts."""
    return [
        # A PEX names its interpreter as `python3.11`, which need not be on PATH; this one is.
        *(sys.executable, str(repository.trials_pex), "demo"),
        *("--api", str(repository.api_pex), "--runtime", str(repository.runtime_pex)),
        *("--folder", str(options.data_dir.resolve()), "--port", str(options.port)),
        *(["--stay"] if options.stay else []),
    ]
