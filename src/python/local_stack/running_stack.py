"""The `up` that runs on a data folder, as other commands see it: by its lock."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import signal
import time
from dataclasses import dataclass

from local_stack import config_file
from local_stack.config_file import StackConfig
from local_stack.errors import NotStopped
from local_stack.http_probe import ask
from local_stack.layout import DataDir, shown
from local_stack.private_file import read_secret
from local_stack.terminal import Terminal
from local_stack.welcome import welcome

EXIT_NOT_RUNNING = 3
"""Exit code of `status` if nothing runs, as the Linux Standard Base has it for init scripts."""

STOP_SECONDS = 60.0
_PAUSE_SECONDS = 0.1
_HOLDER = re.compile(r"process (\d+)(?:, \S+:(\d+))?")


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds the lock of a data folder.

    Attributes:
        port: where its API listens; None until it knows.
    """

    pid: int
    port: int | None


def holder_of(data: DataDir) -> Holder | None:
    """Return the `up` that runs on a data folder, or None.

    The lock says whether one runs: the kernel lets go of it however a process ends, so what a dead
    one has written into the file is never taken for true.
    """
    try:
        with data.lock.open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                found = _HOLDER.match(file.read())
                return found and Holder(int(found[1]), int(found[2]) if found[2] else None)
    except FileNotFoundError:
        pass
    return None


def show_status(data: DataDir, terminal: Terminal) -> int:
    """Say whether a stack runs, how it is, and what its user read when it started."""
    holder = holder_of(data)
    if holder is None:
        terminal.line(f"Nothing runs on {shown(data.root)}. Start it: ./querylake up")
        return EXIT_NOT_RUNNING
    if holder.port is None:
        terminal.line(f"Process {holder.pid} is starting QueryLake on {shown(data.root)}.")
        return 0
    config = config_file.read(data.config, holder.port)
    readiness = asyncio.run(ask(config.url, "/readyz"))
    terminal.line(f"QueryLake runs as process {holder.pid}: {_condition(readiness.status)}.")
    key = read_secret(data.admin_key)
    if key is not None:
        _greet(terminal, config, data, key)
    return 0


def stop(data: DataDir, terminal: Terminal) -> None:
    """Stop the stack that runs on a data folder, and wait for its end.

    Raises:
        NotStopped: it still runs after `STOP_SECONDS`, or belongs to somebody else.
    """
    holder = holder_of(data)
    if holder is None:
        terminal.line(f"Nothing runs on {shown(data.root)}.")
        return
    try:
        os.kill(holder.pid, signal.SIGTERM)
    except PermissionError:
        raise NotStopped(
            f"process {holder.pid} belongs to another user; let them stop it"
        ) from None
    except ProcessLookupError:
        pass  # it has ended meanwhile
    deadline = time.monotonic() + STOP_SECONDS
    while holder_of(data) is not None:
        if time.monotonic() > deadline:
            raise NotStopped(
                f"process {holder.pid} still runs after {STOP_SECONDS:.0f} s; "
                f"end it at once with: kill -INT {holder.pid}"
            )
        time.sleep(_PAUSE_SECONDS)
    terminal.line("Stopped.")


def _condition(status: int) -> str:
    if status == 200:
        return "ready"
    return f"not ready (/readyz answers {status})" if status else "its API does not answer"


def _greet(terminal: Terminal, config: StackConfig, data: DataDir, key: str) -> None:
    welcome(terminal, config, data, key, foreground=False)
