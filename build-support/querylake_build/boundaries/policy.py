"""What must stay out of where: boundaries.toml, and what a breach of it is."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path


class BoundaryError(Exception):
    """A check cannot be made; the message says why and what to do."""


@dataclass(frozen=True)
class Violation:
    """Something is where it must not be.

    Attributes:
        rule: which rule it breaks, e.g. `sources`.
        place: a file with its line, a lock, or a distribution in a PEX.
        says: what is wrong, in one sentence without a full stop.
    """

    rule: str
    place: str
    says: str


@dataclass(frozen=True)
class Floors:
    """The order in which the rooms of a package stand.

    Attributes:
        rooms: from the top down. Each is a folder, a module, or a wildcard for modules such as
            `*.endpoints`, which stand where the wildcard does and not in the folder they lie in.
    """

    rooms: tuple[str, ...]

    def room(self, module: str) -> str:
        """Return the room that a module is in; empty if it is in none."""
        for room in self.rooms:
            if "*" in room and fnmatchcase(module, room):
                return room
        around = [room for room in self.rooms if f"{module}.".startswith(f"{room}.")]
        return max(around, key=len, default="")

    def depth(self, module: str) -> int:
        """Return how many rooms stand above a module's.

        Raises:
            ValueError: it is in no room.
        """
        return self.rooms.index(self.room(module))


@dataclass(frozen=True)
class TestTools:
    """What only tests need.

    Attributes:
        lock: where it is pinned.
        distributions: wildcards for its names, in PEP 503 form.
        modules: its top-level modules.
        stacks: the locks that must not pin it.
        tested_stacks: those of them whose tests run with its lock beside their own.
    """

    __test__ = False  # pytest takes it for tests otherwise

    lock: str
    distributions: tuple[str, ...]
    modules: frozenset[str]
    stacks: tuple[str, ...]
    tested_stacks: tuple[str, ...]

    def has(self, distribution: str) -> bool:
        """Whether a distribution, in PEP 503 form, is for tests."""
        return any(fnmatchcase(distribution, pattern) for pattern in self.distributions)


@dataclass(frozen=True)
class Policy:
    """The contents of boundaries.toml.

    Attributes:
        distributions: wildcards for names of distributions that are engines, in PEP 503 form.
        modules: top-level modules that are engines.
        light_locks: locks that hold no engine.
        test_tools: what no program may hold.
        shared: first-party packages that others may import.
        wrappers: the engine modules that a first-party package may import.
        floors: the rooms of a first-party package, for those that have an order of them.
    """

    distributions: tuple[str, ...]
    modules: frozenset[str]
    light_locks: tuple[str, ...]
    test_tools: TestTools
    shared: frozenset[str]
    wrappers: dict[str, frozenset[str]]
    floors: dict[str, Floors]

    def is_engine(self, distribution: str) -> bool:
        """Whether a distribution, in any spelling of its name, is an engine."""
        name = re.sub(r"[-_.]+", "-", distribution).lower()
        return any(fnmatchcase(name, pattern) for pattern in self.distributions)

    def engines_for(self, package: str) -> frozenset[str]:
        """Return the engine modules that a first-party package must not import."""
        return self.modules - self.wrappers.get(package, frozenset())


def read_policy(file: Path) -> Policy:
    """Read boundaries.toml.

    Raises:
        BoundaryError: it is missing or not as it has to be.
    """
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        packages, tools = content["packages"], content["test_tools"]
        return Policy(
            distributions=tuple(content["engines"]["distributions"]),
            modules=frozenset(content["engines"]["modules"]),
            light_locks=tuple(content["locks"]["light"]),
            test_tools=TestTools(
                lock=tools["lock"],
                distributions=tuple(tools["distributions"]),
                modules=frozenset(tools["modules"]),
                stacks=tuple(tools["stacks"]),
                tested_stacks=tuple(tools["tested_stacks"]),
            ),
            shared=frozenset(packages["shared"]),
            wrappers={name: frozenset(may) for name, may in packages["engines"].items()},
            floors={
                name: Floors(tuple(room for floor in floors for room in floor))
                for name, floors in content["floors"].items()
            },
        )
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise BoundaryError(f"{file} cannot be used: {error!r}") from error
