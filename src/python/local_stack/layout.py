"""Where everything is: the repository that we run from, and the data folder of one stack."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


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

    @property
    def api_pex(self) -> Path:
        """The API."""
        return self.dist / "querylake_api.pex"

    @property
    def runtime_pex(self) -> Path:
        """The engine for CPUs."""
        return self.dist / "cpu_runtime.pex"

    @property
    def trials_pex(self) -> Path:
        """Rollouts, tried and shown."""
        return self.dist / "rollout_trials.pex"


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
        """One log for each program, and the build's."""
        return self.root / "logs"


def shown(path: Path) -> str:
    """Return a path as it is shortest from the working directory."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, FileNotFoundError):
        return str(path)
