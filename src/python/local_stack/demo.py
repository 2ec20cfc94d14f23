"""`demo-rollout`: installs what it needs, and gives way to the program that shows rollouts."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from local_stack.children import clean_environment
from local_stack.environments import ensure_programs
from local_stack.layout import DataDir, ProgramFiles, Repository
from local_stack.preflight import exclusive, prepare_data_dir, require_free_port, require_space
from local_stack.supervision import Children
from local_stack.terminal import Terminal

DATA_MEGABYTES = 500


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the command line says.

    Attributes:
        port: where the API listens; 0 picks one.
        packaged: run the programs that `./pants package` has written, and not the sources.
        stay: leave everything running at the end, until Ctrl-C.
    """

    data_dir: Path
    port: int = 0
    packaged: bool = False
    stay: bool = False


async def prepare_demo(
    options: DemoOptions, repository: Repository, children: Children, terminal: Terminal
) -> ProgramFiles:
    """Check, install, and return the programs.

    Raises:
        LocalStackError: something is missing or failed; nothing that was started still runs.
    """
    data = DataDir(options.data_dir.resolve())
    prepare_data_dir(data)
    with exclusive(data):
        require_space(data.root, DATA_MEGABYTES, "the demo", "free some, or choose --data-dir")
        if options.port:
            remedy = "stop it, or choose another port with --port"
            require_free_port("127.0.0.1", options.port, remedy)
        try:
            if not options.packaged:
                return await ensure_programs(repository, data, children, terminal)
            files = ProgramFiles.packaged(repository)
            files.require(files.trials, files.api, files.runtime)
            return files
        finally:
            await children.stop()


def become_demo(options: DemoOptions, files: ProgramFiles) -> NoReturn:
    """Let the demonstration take the place of this process, and so its terminal and signals."""
    sys.stdout.flush()
    os.execve(sys.executable, demo_command(options, files), clean_environment())


def demo_command(options: DemoOptions, files: ProgramFiles) -> list[str]:
    """Return the command line of the program that shows rollouts."""
    return [
        # A PEX names its interpreter as `python3.11`, which need not be on PATH; this one is.
        *(sys.executable, str(files.trials), "demo"),
        *("--api", str(files.api), "--runtime", str(files.runtime)),
        *("--folder", str(options.data_dir.resolve()), "--port", str(options.port)),
        *(["--stay"] if options.stay else []),
    ]
