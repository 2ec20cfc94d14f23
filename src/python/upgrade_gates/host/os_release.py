"""/etc/os-release: which distribution this is (the format is that of os-release(5))."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

PATH = "/etc/os-release"

_APT_FAMILIES = frozenset({"debian", "ubuntu"})


@dataclass(frozen=True, slots=True)
class OsRelease:
    """The distribution; None where the file does not say."""

    id: str | None = None
    like: tuple[str, ...] = ()
    version: str | None = None
    name: str | None = None

    @property
    def has_apt(self) -> bool:
        """Whether it is of the family whose drivers come by apt."""
        return not _APT_FAMILIES.isdisjoint({self.id, *self.like})


def parse_os_release(text: str) -> OsRelease:
    """Understand the file. Any text will do."""
    values = {}
    for line in text.splitlines():
        key, equals, value = line.strip().partition("=")
        if equals and not key.startswith("#"):
            values[key] = _unquoted(value)
    return OsRelease(
        id=values.get("ID") or None,
        like=tuple(values.get("ID_LIKE", "").split()),
        version=values.get("VERSION_ID") or None,
        name=values.get("PRETTY_NAME") or values.get("NAME") or None,
    )


def _unquoted(value: str) -> str:
    try:
        return " ".join(shlex.split(value))
    except ValueError:
        return value.strip("\"'")
