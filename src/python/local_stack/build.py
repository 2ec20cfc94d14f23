"""Building the programs that run here, when their sources are not those of the last build."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from local_stack.children import Program, clean_environment
from local_stack.errors import BuildFailed, ChildFailed
from local_stack.layout import DataDir, Repository, shown
from local_stack.preflight import require_space
from local_stack.supervision import Children
from local_stack.terminal import Terminal, activity


@dataclass(frozen=True, slots=True)
class Needed:
    """The programs that a command runs.

    Attributes:
        stamp: the file in `dist/` that says of which sources they are.
        programs: each with the target that Pants packages.
    """

    stamp: str
    programs: Mapping[Path, str]

    @classmethod
    def for_up(cls, repository: Repository) -> Needed:
        """Return what `up` runs."""
        return cls("local_stack.stamp", _for_up(repository))

    @classmethod
    def for_demo(cls, repository: Repository) -> Needed:
        """Return what `demo-rollout` runs."""
        trials = {repository.trials_pex: "src/python/rollout_trials:pex"}
        return cls("demo_rollout.stamp", {**_for_up(repository), **trials})

    @property
    def built(self) -> bool:
        """Whether there is a build, of whatever sources."""
        return all(path.is_file() for path in self.programs)


def _for_up(repository: Repository) -> dict[Path, str]:
    return {
        repository.api_pex: "src/python/querylake_api:pex",
        repository.runtime_pex: "src/python/cpu_runtime:pex",
    }


SPACE_MEGABYTES = 6_000
"""What the first build adds to the cache folder at its peak."""

_INPUTS = ("3rdparty/python", "BUILD", "build-support", "pants", "pants.toml", "src/python")
_STOP_SECONDS = 20.0


async def ensure_built(
    repository: Repository, needed: Needed, data: DataDir, children: Children, terminal: Terminal
) -> None:
    """Build unless the last build is of exactly these sources.

    Pants would find that out as well, and takes about as long for it as everything else does that
    comes before the first answer.

    Raises:
        BuildFailed: with the last lines of the build's output and the path of the rest.
        DiskFull: the first build would not find room.
    """
    sources = fingerprint(repository)
    stamp = repository.dist / needed.stamp
    if stamp.is_file() and stamp.read_text() == _stamp(needed, sources):
        return
    require_pants(repository)
    if not needed.built:
        cache = Path(os.environ.get("QUERYLAKE_CACHE_DIR", repository.dist))
        remedy = "free some, or set QUERYLAKE_CACHE_DIR to a folder on another disk"
        require_space(cache, SPACE_MEGABYTES, "the first build", remedy)
    log = data.logs / "build.log"
    program = Program(
        name="build",
        title="the build",
        # Without Pants' daemon, which would stay after us. What it saves is spent elsewhere: only
        # changed sources come here.
        command=(
            str(repository.root / "pants"),
            "--no-pantsd",
            "package",
            *needed.programs.values(),
        ),
        environment=clean_environment(),
        folder=repository.root,
        log=log,
        stop_seconds=_STOP_SECONDS,
    )
    try:
        async with activity(terminal, "Building the programs", "Built") as building:
            await children.run(program, building.note)
    except ChildFailed as error:
        raise BuildFailed(str(error), evidence=error.evidence) from None
    require_programs(needed)
    stamp.write_text(_stamp(needed, sources))


def require_pants(repository: Repository) -> None:
    """Check that there is something to build with.

    Raises:
        BuildFailed: there is not.
    """
    if not (repository.root / "pants").is_file():
        raise BuildFailed(f"{shown(repository.root / 'pants')} is missing; start from a checkout")


def require_programs(needed: Needed) -> None:
    """Check that the programs are there.

    Raises:
        BuildFailed: one is not.
    """
    for path in needed.programs:
        if not path.is_file():
            raise BuildFailed(
                f"{shown(path)} does not exist; leave out --no-build, or build it with "
                f"`./pants package {' '.join(needed.programs.values())}`"
            )


def fingerprint(repository: Repository) -> str:
    """Return a hash over the names and contents of everything that a build reads."""
    total = hashlib.sha256()
    for name in _INPUTS:
        for path in _files(repository.root / name):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"{path.relative_to(repository.root)}\0{content}\n".encode())
    return total.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for folder, names, files in os.walk(path):
        names[:] = sorted(name for name in names if name != "__pycache__")
        yield from (Path(folder, name) for name in sorted(files))


def _stamp(needed: Needed, sources: str) -> str:
    """Return what identifies a build: its sources, and the files that came of them."""
    lines = [f"sources {sources}"]
    for path in needed.programs:
        if path.is_file():
            facts = path.stat()
            lines.append(f"{path.name} {facts.st_size} {facts.st_mtime_ns}")
    return "\n".join(lines) + "\n"
