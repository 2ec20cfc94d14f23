"""Which locks exist, and what each needs: the `.in` files and locks.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from querylake_build.locks.errors import LockError, UnknownLock
from querylake_build.locks.lockfile import digest_inputs

DEFAULT_PYTHON = "3.11"


@dataclass(frozen=True)
class Unmet:
    """A declared dependency that is left out on purpose, with the reason."""

    package: str
    requires: str
    reason: str


@dataclass(frozen=True)
class LockSpec:
    """One lock.

    Attributes:
        name: path below 3rdparty/python without its ending, e.g. `api` or `tools/mypy`.
        folder: 3rdparty/python.
        python: minor version of CPython to resolve for.
        heavy: too large to be installed on every check.
        unmet: dependencies left out on purpose.
    """

    name: str
    folder: Path
    python: str = DEFAULT_PYTHON
    heavy: bool = False
    unmet: tuple[Unmet, ...] = ()

    @property
    def input(self) -> Path:
        """The `.in` file."""
        return self.folder / f"{self.name}.in"

    @property
    def overrides(self) -> Path:
        """uv overrides; the file need not exist."""
        return self.folder / f"{self.name}.overrides"

    @property
    def lock(self) -> Path:
        """The lock file."""
        return self.folder / f"{self.name}.lock"

    def input_sha256(self) -> str:
        """Digest of everything that the lock is made from."""
        return digest_inputs(self.input, self.overrides)


def read_specs(folder: Path) -> dict[str, LockSpec]:
    """Return every lock by name: one for each `.in` file, with its settings from locks.toml.

    Raises:
        LockError: locks.toml has an unknown key, or speaks of a lock without an `.in` file.
    """
    names = sorted(str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.in"))
    settings = tomllib.loads((folder / "locks.toml").read_text())
    if unknown := sorted(settings.keys() - set(names)):
        raise LockError(f"locks.toml: no .in file for {', '.join(unknown)}")
    return {name: _spec(name, folder, settings.get(name, {})) for name in names}


def _spec(name: str, folder: Path, settings: dict[str, Any]) -> LockSpec:
    if unknown := sorted(settings.keys() - {"python", "heavy", "unmet"}):
        raise LockError(f"locks.toml: [{name}] has unknown keys: {', '.join(unknown)}")
    return LockSpec(
        name=name,
        folder=folder,
        python=settings.get("python", DEFAULT_PYTHON),
        heavy=settings.get("heavy", False),
        unmet=tuple(Unmet(**entry) for entry in settings.get("unmet", ())),
    )


def select(specs: dict[str, LockSpec], names: list[str]) -> list[LockSpec]:
    """Return the named locks, or all when none is named. Raises `UnknownLock`."""
    if unknown := [name for name in names if name not in specs]:
        raise UnknownLock(f"no lock named {', '.join(unknown)}; there are: {', '.join(specs)}")
    return [specs[name] for name in names] if names else list(specs.values())
