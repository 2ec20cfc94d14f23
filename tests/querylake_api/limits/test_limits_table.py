"""The table in which processes count together."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from querylake_api.limits.lease import TableLease
from querylake_api.limits.table import ROWS_OF_BUCKET, LimitsTable, Row
from querylake_api.workers.errors import StateFolderUnusable, TooManyWorkers
from querylake_api.workers.worker import MAX_WORKERS, claim_worker

fork = multiprocessing.get_context("fork")


@contextmanager
def opened(state: Path) -> Iterator[LimitsTable]:
    with claim_worker(state) as worker:
        table = LimitsTable(worker)
        try:
            yield table
        finally:
            table.close()


def row_of(table: LimitsTable, key: str) -> Row:
    row = table.row_of(key, time.monotonic())
    assert row is not None
    return row


def take(table: LimitsTable, key: str, limit: int) -> TableLease | None:
    """Take one of the requests that a key may have in the last minute."""
    bucket = table.bucket_of(key)
    table.lock(bucket)
    try:
        now = time.monotonic()
        row = row_of(table, key)
        if row.requests.used(now) >= limit:
            return None
        row.requests.add(1, now)
        table.begin(row)
        return TableLease(table, bucket, row, None, now)
    finally:
        table.unlock(bucket)


def greedy(state: Path, key: str, limit: int, told: Connection) -> None:
    """Take as many as there are, as fast as possible, in a process of its own."""
    with opened(state) as table:
        told.send("ready")
        told.recv()
        taken = sum(take(table, key, limit) is not None for _ in range(limit))
        told.send(taken)


def test_only_who_is_not_alone_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locks = 0
    lockf = fcntl.lockf

    def counted(*arguments: int) -> None:
        nonlocal locks
        locks += 1
        lockf(*arguments)

    monkeypatch.setattr("querylake_api.limits.table.fcntl.lockf", counted)
    with opened(tmp_path) as first:
        assert take(first, "key", 10) is not None
        assert locks == 0
        with opened(tmp_path) as second:
            assert take(first, "key", 10) is not None
            assert take(second, "key", 10) is not None
            assert locks == 4
        assert take(first, "key", 10) is not None
        assert locks == 4
        # One that is killed counts as there until the next one comes.
        child = fork.Process(target=die_holding, args=(tmp_path,))
        child.start()
        child.join()
        assert take(first, "key", 10) is not None
        assert locks == 6
        with opened(tmp_path):
            pass
        assert take(first, "key", 10) is not None
        assert locks == 6


def die_holding(state: Path) -> None:
    """Come, and be killed."""
    with opened(state):
        os.kill(os.getpid(), signal.SIGKILL)


def test_processes_never_take_more_than_there_is(tmp_path: Path) -> None:
    limit = 5000
    children = []
    for _ in range(3):
        ours, theirs = fork.Pipe()
        process = fork.Process(target=greedy, args=(tmp_path, "key", limit, theirs))
        process.start()
        children.append((process, ours))
    for _, pipe in children:
        assert pipe.recv() == "ready"
    for _, pipe in children:
        pipe.send("go")
    taken = [pipe.recv() for _, pipe in children]
    for process, _ in children:
        process.join()
    assert sum(taken) == limit


def holder(state: Path, key: str, count: int, told: Connection) -> None:
    """Hold leases until killed."""
    with opened(state) as table:
        leases = [take(table, key, count) for _ in range(count)]
        told.send(len(leases))
        told.recv()


def test_a_killed_process_gives_back_what_it_held(tmp_path: Path) -> None:
    ours, theirs = fork.Pipe()
    process = fork.Process(target=holder, args=(tmp_path, "key", 7, theirs))
    with opened(tmp_path) as table:
        process.start()
        assert ours.recv() == 7
        row = row_of(table, "key")
        assert table.in_progress(row) == 7
        table.clear_the_dead(row)
        assert table.in_progress(row) == 7, "its process lives"
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        while table.in_progress(row):
            # It asks again after a moment, no matter how often it is called.
            table.clear_the_dead(row)
        assert row.requests.used(time.monotonic()) == 7, "what was used stays used"


def test_who_is_alone_does_not_count_what_the_dead_held(tmp_path: Path) -> None:
    ours, theirs = fork.Pipe()
    process = fork.Process(target=holder, args=(tmp_path, "key", 7, theirs))
    with opened(tmp_path) as table:
        with opened(tmp_path):
            process.start()
            assert ours.recv() == 7
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            process.join()
        # Whoever went last has counted the living, and the dead one's number is still its own.
        assert table.in_progress(row_of(table, "key")) == 0
        with opened(tmp_path) as other:
            row = row_of(other, "key")
            assert other.in_progress(row) == 7
            other.clear_the_dead(row)
            assert other.in_progress(row) == 0


def test_a_number_that_is_taken_over_begins_with_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        assert take(first, "key", 5) is not None
        row = row_of(first, "key")
        assert first.in_progress(row) == 1
    with opened(tmp_path) as second:
        assert second.in_progress(row_of(second, "key")) == 0


def test_a_lease_ends_once(tmp_path: Path) -> None:
    with opened(tmp_path) as table:
        one, two = take(table, "key", 5), take(table, "key", 5)
        assert one is not None
        assert two is not None
        row = row_of(table, "key")
        one.release()
        one.release()
        assert table.in_progress(row) == 1
        two.release()
        assert table.in_progress(row) == 0


def test_tokens_are_settled_once(tmp_path: Path) -> None:
    with opened(tmp_path) as table:
        row = row_of(table, "key")
        bucket = table.bucket_of("key")
        for reserved, real in ((100, 30), (100, 250), (0, 5)):
            now = time.monotonic()
            row.tokens.clear()
            row.tokens.add(reserved, now)
            lease = TableLease(table, bucket, row, reserved, now)
            lease.settle(real)
            lease.settle(7)
            assert row.tokens.used(time.monotonic()) == real


def test_rows_are_used_again_when_nothing_is_remembered(tmp_path: Path) -> None:
    with opened(tmp_path) as table:
        bucket = table.bucket_of("key")
        crowd = [name for name in map(str, range(200_000)) if table.bucket_of(name) == bucket]
        crowd = crowd[:ROWS_OF_BUCKET]
        assert len(crowd) == ROWS_OF_BUCKET
        now = time.monotonic()
        for name in crowd:
            row_of(table, name).requests.add(1, now)
        assert len({row_of(table, name).index for name in crowd}) == ROWS_OF_BUCKET
        assert table.row_of("key", now) is None

        # A minute later the first is still at work, and the others are forgotten.
        busy = row_of(table, crowd[0])
        table.begin(busy)
        row = table.row_of("key", now + 62)
        assert row is not None
        assert row.index != busy.index
        assert table.row_of("key", now + 62) is row
        assert row_of(table, crowd[0]).index == busy.index


def test_numbers_of_processes(tmp_path: Path) -> None:
    with claim_worker(tmp_path) as first, claim_worker(tmp_path) as second:
        assert (first.index, second.index) == (0, 1)
        with first.vacancy(1) as vacant:
            assert not vacant
        with first.vacancy(2) as vacant:
            assert vacant
    with claim_worker(tmp_path) as again:
        assert again.index == 0


def test_too_many_processes(tmp_path: Path) -> None:
    with ExitStack() as stack:
        for _ in range(MAX_WORKERS):
            stack.enter_context(claim_worker(tmp_path))
        with pytest.raises(TooManyWorkers, match="64 processes already share"):
            stack.enter_context(claim_worker(tmp_path))


def test_a_state_folder_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "state"
    folder.mkdir(parents=True, mode=0o755)
    with claim_worker(folder):
        assert folder.stat().st_mode & 0o777 == 0o700
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(StateFolderUnusable, match="cannot be used"), claim_worker(file):
        pass
