"""Environments that hold exactly what a lock pins, so that programs run from their sources.

A laptop needs no packaged programs: what `./pants package` does for them, and compiles, takes
several times as long as installing the same wheels, with the same hashes, from the same locks.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local_stack.children import Program, clean_environment
from local_stack.errors import BuildFailed, ChildFailed
from local_stack.layout import DataDir, ProgramFiles, Repository, shown
from local_stack.preflight import require_space
from local_stack.supervision import Children
from local_stack.terminal import Activity, Terminal, activity

SPACE_MEGABYTES = 2_500
"""What both environments take, and uv's cache beside them."""

_UV_VARIABLE = "QUERYLAKE_UV"
_COMPLETE = ".complete"
_STOP_SECONDS = 10.0
_LAUNCHER = '''\
"""Runs {package} from this checkout's sources. Written by `./querylake`, again at every start."""
import os, sys
os.environ["PYTHONPATH"] = {sources!r}
# Compiled once and kept: a start that compiles everything takes more than twice as long.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.execv({python!r}, [{python!r}, "-P", "-m", {package!r}, *sys.argv[1:]])
'''


@dataclass(frozen=True, slots=True)
class Stack:
    """A lock, and the programs that run in its environment.

    Attributes:
        name: the resolve's.
        holds: how a sentence names what is installed.
        packages: of `src/python`, each with a `__main__.py`.
    """

    name: str
    holds: str
    packages: tuple[str, ...]


API = Stack("api", "the API's packages", ("querylake_api", "rollout_trials"))
CPU = Stack("cpu", "the CPU engine and its models", ("cpu_runtime",))


async def ensure_programs(
    repository: Repository,
    data: DataDir,
    children: Children,
    terminal: Terminal,
    stacks: Sequence[Stack] = (API, CPU),
) -> ProgramFiles:
    """Install what is missing, and return the programs.

    Raises:
        BuildFailed: with the last lines of the installer's output and the path of the rest.
        DiskFull: the environments would not find room.
    """
    pythons = {stack.name: _python(_environment(repository, stack)) for stack in stacks}
    missing = [stack for stack in stacks if not _is_complete(_environment(repository, stack))]
    if missing:
        remedy = "free some, or set QUERYLAKE_CACHE_DIR to a folder on another disk"
        require_space(_cache(repository), SPACE_MEGABYTES, "the first start", remedy)
        async with activity(terminal, "Installing", "Installed") as installing:
            for number, stack in enumerate(missing, 1):
                title = f"{stack.holds}, {number} of {len(missing)}"
                await _install(repository, stack, data, children, installing, title)
    files = ProgramFiles(data.programs, ".py")
    files.folder.mkdir(exist_ok=True)
    for stack in stacks:
        for package in stack.packages:
            _write_launcher(files.of(package), package, pythons[stack.name], repository)
    return files


async def _install(
    repository: Repository,
    stack: Stack,
    data: DataDir,
    children: Children,
    installing: Activity,
    title: str,
) -> None:
    folder = _environment(repository, stack)
    folder.parent.mkdir(parents=True, exist_ok=True)
    installing.note(title)
    with _alone(folder):
        if _is_complete(folder):
            return  # another start has installed it meanwhile
        shutil.rmtree(folder, ignore_errors=True)
        uv, python = _uv(), str(_python(folder))
        await _run((uv, "venv", "--python", sys.executable, str(folder)), data, children)
        await _run(
            (
                *(uv, "pip", "install", "--python", python, "--no-deps", "--require-hashes"),
                *("--requirement", str(_lock(repository, stack))),
            ),
            data,
            children,
            installing,
            title,
        )
        (folder / _COMPLETE).touch()


async def _run(
    command: tuple[str, ...],
    data: DataDir,
    children: Children,
    installing: Activity | None = None,
    title: str = "",
) -> None:
    program = Program(
        name="install",
        title="the installation",
        command=command,
        environment=_index_of_pip(clean_environment()),
        folder=data.root,
        log=data.logs / "install.log",
        stop_seconds=_STOP_SECONDS,
    )

    def show(line: str) -> None:
        # uv lists each distribution at the end; they are in the log.
        if installing is not None and line.strip() and not line.startswith(" +"):
            installing.note(f"{title}: {line.strip()}")

    try:
        await children.run(program, show)
    except ChildFailed as error:
        raise BuildFailed(str(error), evidence=error.evidence) from None


def _index_of_pip(environment: dict[str, str]) -> dict[str, str]:
    """Let uv use the package index that pip was told of: it does not read pip's own variables."""
    if "PIP_INDEX_URL" in environment:
        environment.setdefault("UV_INDEX_URL", environment["PIP_INDEX_URL"])
    return environment


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other start installs into a folder."""
    with folder.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write_launcher(file: Path, package: str, python: Path, repository: Repository) -> None:
    sources = str(repository.root / "src" / "python")
    text = _LAUNCHER.format(package=package, python=str(python), sources=sources)
    temporary = file.with_suffix(".new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(file)


def _environment(repository: Repository, stack: Stack) -> Path:
    """Return where a stack's environment is: a changed lock has another one."""
    lock = _lock(repository, stack)
    try:
        digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    except FileNotFoundError:
        raise BuildFailed(f"{shown(lock)} is missing; start from a checkout") from None
    return _cache(repository) / "environments" / f"{stack.name}-{digest[:16]}"


def _lock(repository: Repository, stack: Stack) -> Path:
    return repository.root / "3rdparty" / "python" / f"{stack.name}.lock"


def _cache(repository: Repository) -> Path:
    named = os.environ.get("QUERYLAKE_CACHE_DIR")
    return Path(named) if named else repository.root / ".querylake" / "cache"


def _python(environment: Path) -> Path:
    return environment / "bin" / "python"


def _is_complete(environment: Path) -> bool:
    return (environment / _COMPLETE).exists() and _python(environment).exists()


def _uv() -> str:
    uv = os.environ.get(_UV_VARIABLE)
    if uv is None:
        raise BuildFailed(f"{_UV_VARIABLE} names no uv; start with ./querylake, which provides it")
    return uv
