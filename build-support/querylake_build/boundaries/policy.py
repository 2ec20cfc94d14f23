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
class Policy:
    """The contents of boundaries.toml.

    Attributes:
        distributions: wildcards for names of distributions that are engines, in PEP 503 form.
        modules: top-level modules that are engines.
        light_locks: locks that hold no engine.
        shared: first-party packages that others may import.
        wrappers: the engine modules that a first-party package may import.
    """

    distributions: tuple[str, ...]
    modules: frozenset[str]
    light_locks: tuple[str, ...]
    shared: frozenset[str]
    wrappers: dict[str, frozenset[str]]

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
        packages = content["packages"]
        return Policy(
            distributions=tuple(content["engines"]["distributions"]),
            modules=frozenset(content["engines"]["modules"]),
            light_locks=tuple(content["locks"]["light"]),
            shared=frozenset(packages["shared"]),
            wrappers={name: frozenset(may) for name, may in packages["engines"].items()},
        )
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise BoundaryError(f"{file} cannot be used: {error!r}") from error
