"""`apt-cache policy PACKAGE...`: what is installed, what apt would install, what else it knows.

apt translates every label of it (`Installiert:`, `Candidat :`, `候補:`), never the layout: the
first indented line is what is installed, the second is the candidate, versions stand deeper, and a
value in brackets means none (apt, apt-private/private-show.cc). Chinese has wide colons and
brackets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_NAME = re.compile(r"([a-z0-9][a-z0-9+.-]*(?::[a-z0-9-]+)?)\s*[:\uff1a]")
_VALUE = re.compile(r" {2}(?! )[^:\uff1a]{1,80}[:\uff1a]\s*(.*)")
_VERSION = re.compile(r" (?:\*\*\*| {3}) (\S+)(?:\s+(-?[0-9]{1,9}))?\s*(?:\(.*)?")
_ORIGIN = re.compile(r" {8,}(-?[0-9]{1,9}) (\S.*)")
_LONGEST_LINE = 2000


@dataclass(frozen=True, slots=True)
class AptVersion:
    """A version that apt knows, and where it would come from (empty for what is only installed)."""

    version: str
    origins: tuple[str, ...] = ()

    @property
    def obtainable(self) -> bool:
        """Whether apt could fetch it: it comes from more than the list of installed packages."""
        return any("/var/lib/dpkg/status" not in origin for origin in self.origins)


@dataclass(frozen=True, slots=True)
class AptPackage:
    """A package; None where apt says that there is none."""

    name: str
    installed: str | None
    candidate: str | None
    versions: tuple[AptVersion, ...]


@dataclass(frozen=True, slots=True)
class AptPolicy:
    """All packages, and the lines that fit nowhere."""

    packages: tuple[AptPackage, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass
class _Open:
    """A package while it is being read."""

    name: str
    values: list[str] = field(default_factory=list)
    versions: list[tuple[str, list[str]]] = field(default_factory=list)

    def line(self, line: str) -> bool:
        """Take a line below the package's name; False if it fits nowhere."""
        if origin := _ORIGIN.fullmatch(line):
            if self.versions:
                self.versions[-1][1].append(origin[2].strip())
            return bool(self.versions)
        if version := _VERSION.fullmatch(line):
            self.versions.append((version[1], []))
            return True
        if value := _VALUE.fullmatch(line):
            self.values.append(value[1].strip())
            return True
        return False

    def package(self) -> AptPackage:
        installed, candidate, *_ = [*self.values, "", ""]
        return AptPackage(
            name=self.name,
            installed=_version(installed),
            candidate=_version(candidate),
            versions=tuple(AptVersion(each, tuple(origins)) for each, origins in self.versions),
        )


def parse_apt_policy(text: str) -> AptPolicy:
    """Understand the policy, in any language. Any text will do."""
    packages: list[_Open] = []
    unknown = []
    for raw in text.splitlines():
        line = raw.rstrip()[:_LONGEST_LINE].replace("\u00a0", " ")
        if name := _NAME.fullmatch(line):
            packages.append(_Open(name[1]))
        elif line and not (packages and packages[-1].line(line)):
            unknown.append(line.strip())
    return AptPolicy(tuple(each.package() for each in packages), tuple(unknown))


def _version(value: str) -> str | None:
    return None if not value or value.startswith(("(", "\uff08")) or " " in value else value
