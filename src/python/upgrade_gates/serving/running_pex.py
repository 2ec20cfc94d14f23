"""Which PEX does a process of this machine run from?

Pex unpacks a PEX into a virtual environment, leaves its PEX-INFO there, and starts the
environment's own interpreter. So the path of the interpreter leads to the PEX-INFO.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from upgrade_gates.errors import ArtefactUnusable
from upgrade_gates.pex_file import read_info
from upgrade_gates.serving.gpu_memory import is_here
from upgrade_gates.serving.listeners import listening_processes

PEX_INFO = "PEX-INFO"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Build:
    """What makes two PEX files the same: their own code, and each wheel with its hash.

    Attributes:
        program: the entry point, the same for all builds of a program; None if it has none.
    """

    program: str | None
    code_hash: str | None
    wheels: tuple[tuple[str, str], ...]

    def is_another_build_of(self, other: Build) -> bool:
        """Whether both are builds of one program, and not the same one."""
        return self.program is not None and self.program == other.program and self != other


@dataclass(frozen=True)
class ServingBuild:
    """Whether a PEX serves somewhere.

    Attributes:
        process: one of those that serve; None if none was seen.
        is_pex: whether all of them run from the PEX.
        is_another_build: whether `process` runs from another build of the same program.
        unknown: why neither is known; empty if one is.
    """

    process: int | None = None
    is_pex: bool = False
    is_another_build: bool = False
    unknown: str = ""


def serving_at(url: str, pex: Path | None, name: str) -> ServingBuild:
    """Look whether the processes that listen at an address run from a PEX.

    Args:
        pex: None if none is named.
        name: of the PEX in `upgrade.toml`.
    """
    address = urlsplit(url)
    if not is_here(address.hostname or ""):
        return ServingBuild(unknown=f"{address.hostname} is another machine")
    port = address.port or _PORTS.get(address.scheme, 0)
    return serving_by(listening_processes(port), pex, name)


def serving_by(processes: Collection[int], pex: Path | None, name: str) -> ServingBuild:
    """Look whether processes of this machine run from a PEX."""
    wanted = None if pex is None else build_of_pex(pex)
    if wanted is None:
        return ServingBuild(unknown=f"artefacts.{name} is not there")
    if not processes:
        return ServingBuild(unknown="its process is not visible to this user")
    builds = {pid: build_of_process(pid) for pid in sorted(processes)}
    for pid, build in builds.items():
        if build is not None and build.is_another_build_of(wanted):
            return ServingBuild(pid, is_another_build=True)
    for pid, build in builds.items():
        if build != wanted:
            return ServingBuild(pid, unknown=f"process {pid} does not run from {name}")
    return ServingBuild(min(builds), is_pex=True)


def build_of_pex(pex: Path) -> Build | None:
    """Return which build a PEX is; None if that cannot be read."""
    try:
        return _build(read_info(pex))
    except ArtefactUnusable:
        return None


def build_of_process(pid: int) -> Build | None:
    """Return from which build a process of this machine runs; None if from none, or unreadable."""
    try:
        program = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
        for folder in Path(program).parents:
            if (folder / PEX_INFO).is_file():
                return _build(json.loads((folder / PEX_INFO).read_bytes()))
    except (OSError, ValueError):
        return None
    return None


def _build(info: dict[str, Any]) -> Build:
    wheels = info.get("distributions")
    pairs = wheels.items() if isinstance(wheels, dict) else ()
    return Build(
        program=info.get("entry_point"),
        code_hash=info.get("code_hash"),
        wheels=tuple(sorted((str(name), str(digest)) for name, digest in pairs)),
    )
