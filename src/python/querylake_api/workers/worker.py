"""Which of the processes that share a state folder this one is.

A number is held by a lock on a file, and a lock ends with its process however that ends. So a
number is never held by the dead, and anybody can ask whether a process still lives without relying
on process ids, which are used again.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from querylake_api.workers.errors import StateFolderUnusable, TooManyWorkers
from querylake_api.workers.state_folder import prepare_state_folder

MAX_WORKERS = 64
"""How many processes can share a state folder."""


@dataclass(frozen=True, slots=True)
class Worker:
    """This process among those of its machine.

    Attributes:
        index: from 0; no other living process of the state folder has it, and whoever starts after
            its end gets it again.
        state: the folder for what processes share, private to the user.
    """

    index: int
    state: Path

    @contextmanager
    def vacancy(self, index: int) -> Iterator[bool]:
        """Give whether no living process has a number; until the end, none will then take it."""
        with _roll(self.state):
            lock = _try_lock(self.state, index)
            try:
                yield lock is not None
            finally:
                if lock is not None:
                    os.close(lock)

    @contextmanager
    def roll(self) -> Iterator[set[int]]:
        """Give the numbers of all living processes; until the end, none is taken."""
        with _roll(self.state):
            living = set()
            for index in range(MAX_WORKERS):
                lock = _try_lock(self.state, index)
                if lock is None:
                    living.add(index)
                else:
                    os.close(lock)
            yield living


@contextmanager
def claim_worker(state: Path) -> Iterator[Worker]:
    """Take the lowest number that is free, and give it back at the end.

    Raises:
        StateFolderUnusable: the folder cannot be made or written.
        TooManyWorkers: every number is taken.
    """
    prepare_state_folder(state)
    index, lock = _claim(state)
    try:
        yield Worker(index, state)
    finally:
        os.close(lock)


def _claim(state: Path) -> tuple[int, int]:
    try:
        with _roll(state):
            for index in range(MAX_WORKERS):
                lock = _try_lock(state, index)
                if lock is not None:
                    return index, lock
    except OSError as error:
        raise StateFolderUnusable(state, os.strerror(error.errno or 0)) from None
    raise TooManyWorkers(state, MAX_WORKERS)


@contextmanager
def _roll(state: Path) -> Iterator[None]:
    """Keep others from trying locks meanwhile, which would make a free number look taken."""
    with (state / "workers.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _try_lock(state: Path, index: int) -> int | None:
    lock = os.open(state / f"worker-{index}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock
