"""What is in a PEX, as its own PEX-INFO says, and how one is run.

A PEX is a file (a zip) or, packed, a folder; https://docs.pex-tool.org/ describes PEX-INFO.
"""

from __future__ import annotations

import json
import os
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bounded_process import run_bounded
from upgrade_gates.errors import ArtefactUnusable
from upgrade_gates.lock_file import LockFile, normalised

_INFO = "PEX-INFO"
_WHEELS = ".deps"

TEST_TOOLS = ("hypothesis", "iniconfig", "pluggy", "pytest", "sortedcontainers")
"""In every lock whose code is tested with it, and in no PEX."""
_FRAME = " │╭╮╰╯─"
_OURS = ("PYTHONPATH", "PYTHONHOME", "PEX", "PEX_PATH", "PEX_EXTRA_SYS_PATH", "PEX_INTERPRETER")
"""What would let our own modules, or our own PEX, into the one that is run."""


@dataclass(frozen=True)
class PexFile:
    """A PEX.

    Attributes:
        versions: of its distributions, by name in the form of PEP 503.
        absent: wheels that its PEX-INFO lists and that are not in it.
        code_hash: what Pex computed over its first-party code.
        interpreters: the interpreters that it accepts.
    """

    path: Path
    versions: dict[str, str]
    code_hash: str | None
    interpreters: tuple[str, ...]
    absent: tuple[str, ...] = ()

    def disagreements(self, lock: LockFile) -> list[str]:
        """Return how its distributions differ from what a lock pins; none if they do not."""
        pinned = lock.versions()
        return [
            f"{name} {version}, and the lock "
            + (f"pins {pinned[name]}" if name in pinned else "does not have it")
            for name, version in sorted(self.versions.items())
            if pinned.get(name) != version
        ]

    def missing(self, lock: LockFile) -> list[str]:
        """Return what a lock pins for everybody and the PEX does not hold, tests' tools left out.

        A lock of a stack pins what its tests need beside what it runs with; a PEX holds the latter.
        """
        return sorted(
            pin.name
            for pin in lock.pins
            if pin.name not in self.versions and not pin.marker and pin.name not in TEST_TOOLS
        )


@dataclass(frozen=True)
class Ran:
    """How a command ended.

    Attributes:
        code: exit code; None if it did not end in time, or could not be started.
    """

    command: tuple[str, ...]
    code: int | None
    stdout: str
    stderr: str

    @property
    def raw(self) -> str:
        """Everything that was said, and how it ended, for a record."""
        return (
            f"$ {' '.join(self.command)}\n{self.stdout}"
            + (f"\n[stderr]\n{self.stderr}" if self.stderr.strip() else "")
            + f"\n[exit code {self.code}]\n"
        )

    @property
    def last_line(self) -> str:
        """The last thing that was said, which is usually why.

        Command lines draw a frame around their errors, and its rules say nothing.
        """
        said = self.stderr.strip() or self.stdout.strip()
        lines = [line.strip(_FRAME) for line in said.splitlines()]
        return next((line for line in reversed(lines) if line), "it said nothing")


def read_pex(path: Path) -> PexFile:
    """Read what a PEX holds, without running it.

    Raises:
        ArtefactUnusable: it is no PEX.
    """
    info = read_info(path)
    try:
        wheels = list(info["distributions"])
        constraints = info.get("interpreter_constraints", [])
    except (KeyError, TypeError) as error:
        raise ArtefactUnusable(f"{path} is not a PEX ({error}); build it first") from None
    return PexFile(
        path=path,
        versions=dict(_wheel(wheel) for wheel in wheels),
        code_hash=info.get("code_hash"),
        interpreters=tuple(str(each) for each in constraints),
        absent=tuple(sorted(set(wheels) - _wheels_in(path))),
    )


def _wheels_in(path: Path) -> set[str]:
    """Return the names of the wheels that lie in a PEX, packed as files or unpacked as folders."""
    try:
        if path.is_dir():
            return {each.name for each in (path / _WHEELS).iterdir()}
        with zipfile.ZipFile(path) as archive:
            parts = [name.split("/", 2) for name in archive.namelist()]
    except (OSError, zipfile.BadZipFile):
        return set()
    return {part[1] for part in parts if len(part) > 1 and part[0] == _WHEELS}


def read_info(path: Path) -> dict[str, Any]:
    """Return the PEX-INFO of a PEX.

    Raises:
        ArtefactUnusable: it is no PEX.
    """
    try:
        if path.is_dir():
            text = (path / _INFO).read_bytes()
        else:
            with zipfile.ZipFile(path) as archive:
                text = archive.read(_INFO)
        info = json.loads(text)
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ArtefactUnusable(f"{path} is not a PEX ({error}); build it first") from None
    if not isinstance(info, dict):
        raise ArtefactUnusable(f"{path} is not a PEX (PEX-INFO is no object); build it first")
    return info


def _wheel(filename: str) -> tuple[str, str]:
    """Return name and version of a wheel's file name, as PEP 427 has it."""
    name, _, rest = filename.partition("-")
    return normalised(name), rest.partition("-")[0]


def run_pex(path: Path, arguments: Sequence[str], *, seconds: float, cwd: Path) -> Ran:
    """Run a PEX to its end."""
    program = path / "__main__.py" if path.is_dir() else path
    return run_command([sys.executable, str(program), *arguments], seconds=seconds, cwd=cwd)


def plain_environment() -> dict[str, str]:
    """Return our environment without what would let our own modules into another program."""
    return {name: value for name, value in os.environ.items() if name not in _OURS}


def run_command(command: Sequence[str], *, seconds: float, cwd: Path, **environment: str) -> Ran:
    """Run a command to its end; never raises for what it does."""
    try:
        ended = run_bounded(
            command, seconds=seconds, cwd=cwd, env={**plain_environment(), **environment}
        )
    except OSError as error:
        return Ran(tuple(command), None, "", f"it cannot be started: {error.strerror}")
    said = ended.stdout.decode("utf-8", "replace")
    if ended.code is None:
        return Ran(tuple(command), None, said, f"it did not end within {seconds:g} s")
    return Ran(tuple(command), ended.code, said, ended.stderr.decode("utf-8", "replace"))
