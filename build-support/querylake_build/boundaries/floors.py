"""Floors of a package: its rooms stand in one order, and imports only go down.

`boundaries.toml` lists the rooms from the top floor down. A module may import from its own room and
from rooms that are listed after it. In no package may modules import each other in a circle,
imports for type checking included: who reads one of them has to read them all.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from querylake_build.boundaries.policy import Floors, Policy, Violation

RULE = "floors"


@dataclass(frozen=True)
class Arrow:
    """One module of a package imports another one.

    Attributes:
        source: the importing module, without the package's name, e.g. `keys.ring`.
        target: the imported module, in the same form.
        line: where the import stands.
    """

    source: str
    target: str
    line: int


@dataclass(frozen=True)
class House:
    """The modules of one package, and what they import of each other.

    Attributes:
        files: by module, in the form of `Arrow.source`; the package itself is the empty string.
    """

    package: str
    files: Mapping[str, Path]
    arrows: tuple[Arrow, ...]


def check_floors(repository: Path, policy: Policy) -> tuple[list[Violation], str]:
    """Check every package below src/python; also return one clause on what was looked at."""
    violations: list[Violation] = []
    count = 0
    for folder in sorted((repository / "src" / "python").iterdir()):
        if not folder.is_dir() or folder.name.startswith((".", "__")):
            continue
        house = read_house(folder)
        count += len(house.arrows)
        violations += _circle(house, repository)
        floors = policy.floors.get(house.package)
        if floors is not None:
            violations += _outside(house, floors, repository)
            violations += _upward(house, floors, repository)
    return violations, f"{count} imports inside packages"


def read_house(folder: Path) -> House:
    """Read which modules of a package import which of its others."""
    package = folder.name
    files = {_module(file, folder): file for file in sorted(folder.rglob("*.py"))}
    arrows = [
        Arrow(module, target, line)
        for module, file in files.items()
        for target, line in _imports(file, package, files.keys())
        if target != module
    ]
    return House(package, files, tuple(arrows))


def _module(file: Path, folder: Path) -> str:
    parts = file.relative_to(folder).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(file: Path, package: str, modules: Set[str]) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # `from package.room import name`: the name may be a module of that room.
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            asked = [name if _inside(name, package) in modules else node.module for name in names]
        elif isinstance(node, ast.Import):
            asked = [alias.name for alias in node.names]
        else:
            continue
        for name in dict.fromkeys(asked):
            inside = _inside(name, package)
            if inside in modules:
                yield inside, node.lineno


def _inside(name: str, package: str) -> str:
    """Return a module's name without its package's; what no module is called if it is foreign."""
    prefix = f"{package}."
    return name.removeprefix(prefix) if name.startswith(prefix) else "(foreign)"


def _circle(house: House, repository: Path) -> Iterator[Violation]:
    """Yield the first circle. There may be more; they show when this one is opened."""
    targets: dict[str, set[str]] = {}
    for arrow in house.arrows:
        targets.setdefault(arrow.source, set()).add(arrow.target)
    try:
        TopologicalSorter(targets).prepare()
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        first = house.files[error.args[1][0]]
        yield Violation(
            RULE, str(first.relative_to(repository)), f"modules import in a circle: {circle}"
        )


def _outside(house: House, floors: Floors, repository: Path) -> Iterator[Violation]:
    for module, file in house.files.items():
        if module and not floors.room(module):
            yield Violation(
                RULE,
                str(file.relative_to(repository)),
                f"{module} is in no room that boundaries.toml lists for {house.package}",
            )


def _upward(house: House, floors: Floors, repository: Path) -> Iterator[Violation]:
    for arrow in house.arrows:
        if not (floors.room(arrow.source) and floors.room(arrow.target)):
            continue
        if floors.depth(arrow.target) < floors.depth(arrow.source):
            file = house.files[arrow.source].relative_to(repository)
            yield Violation(
                RULE,
                f"{file}:{arrow.line}",
                f"{floors.room(arrow.source)} imports {arrow.target}, which stands above it",
            )
