"""/etc/os-release: which distribution this is (the format is that of os-release(5))."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

PATH = "/etc/os-release"

_OTHER_MEANS = (
    ("rhel", "with dnf, from NVIDIA's repository (dnf install nvidia-open or cuda-drivers)"),
    ("fedora", "with dnf, from NVIDIA's repository (dnf install nvidia-open or cuda-drivers)"),
    ("suse", "with zypper, from NVIDIA's repository (zypper install nvidia-open or cuda-drivers)"),
    ("sles", "with zypper, from NVIDIA's repository (zypper install nvidia-open or cuda-drivers)"),
    ("amzn", "with dnf, from NVIDIA's repository (dnf install nvidia-open or cuda-drivers)"),
    ("arch", "with pacman"),
)
"""By distribution or family. NVIDIA, Driver Installation Guide,
https://docs.nvidia.com/datacenter/tesla/driver-installation-guide/."""
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

    @property
    def without_apt(self) -> str:
        """Say what to do where drivers do not come by apt."""
        family = {self.id, *self.like} - {None}
        means = next((text for id_, text in _OTHER_MEANS if id_ in family), "by its own means")
        return (
            f"{self.name or 'this system'} has no apt: change the driver {means}, and go on with "
            "gate 2; gates 0 and 1 plan and verify with apt alone"
        )


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
