"""Where everything is: the repository that we run from, and the data folder of one stack."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from local_stack.errors import BuildFailed

DATA_DIR = ".querylake"
"""The data folder in a checkout, unless another one is named."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A checkout of QueryLake."""

    root: Path

    @classmethod
    def here(cls) -> Repository:
        """Return the one that `./querylake` names, or else the one that this file is in."""
        named = os.environ.get("REPO_ROOT")
        return cls(Path(named) if named else Path(__file__).resolve().parents[3])

    @property
    def dist(self) -> Path:
        """Where Pants puts what it packages."""
        return self.root / "dist"


@dataclass(frozen=True, slots=True)
class ProgramFiles:
    """The programs of a stack: files that the interpreter which runs us can run.

    Attributes:
        ending: `.pex` for packaged programs, `.py` for those that run from sources.
    """

    folder: Path
    ending: str

    @classmethod
    def packaged(cls, repository: Repository) -> ProgramFiles:
        """Return what `./pants package` writes."""
        return cls(repository.dist, ".pex")

    def of(self, package: str) -> Path:
        """Return the program of a package of `src/python`."""
        return self.folder / f"{package}{self.ending}"

    @property
    def api(self) -> Path:
        """The API."""
        return self.of("querylake_api")

    @property
    def runtime(self) -> Path:
        """The engine for CPUs."""
        return self.of("cpu_runtime")

    @property
    def trials(self) -> Path:
        """Rollouts, tried and shown."""
        return self.of("rollout_trials")

    def require(self, *programs: Path) -> None:
        """Check that programs are there.

        Raises:
            BuildFailed: one is not.
        """
        for path in programs:
            if not path.is_file():
                raise BuildFailed(
                    f"{shown(path)} does not exist; leave out --packaged, or build it with "
                    f"`./pants package src/python/{path.stem}:pex`"
                )


@dataclass(frozen=True, slots=True)
class DataDir:
    """The files of one stack, all in one folder, which may be deleted while nothing runs."""

    root: Path

    @property
    def config(self) -> Path:
        """The generated configuration of the API."""
        return self.root / "querylake.toml"

    @property
    def state(self) -> Path:
        """What the API's processes share."""
        return self.root / "state"

    @property
    def postgres(self) -> Path:
        """The database's files."""
        return self.root / "postgres"

    @property
    def programs(self) -> Path:
        """Launchers of the programs that run from sources."""
        return self.root / "programs"

    @property
    def admin_key(self) -> Path:
        """The first API key."""
        return self.root / "admin.key"

    @property
    def runtime_key(self) -> Path:
        """The key between the API and the engine."""
        return self.root / "cpu_runtime.key"

    @property
    def lock(self) -> Path:
        """Held by the `up` that runs; names its process."""
        return self.root / "up.lock"

    @property
    def logs(self) -> Path:
        """One log for each program, and the installation's."""
        return self.root / "logs"


def shown(path: Path) -> str:
    """Return a path as it is shortest from the working directory."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, FileNotFoundError):
        return str(path)
