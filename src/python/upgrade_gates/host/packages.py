"""Installed packages with their exact versions (`dpkg-query`), and those on hold (`apt-mark`)."""

from __future__ import annotations

import re
from dataclasses import dataclass

NAMES = (
    "*nvidia*",
    "cuda-drivers*",
    "cuda-compat*",
    "libcuda1*",
    "linux-image-*",
    "linux-headers-*",
    "linux-modules-nvidia-*",
    "dkms",
)
"""What is looked at: the driver in its parts, and the kernels that it must fit."""

COMMAND = (
    "dpkg-query",
    "-W",
    "-f",
    "${db:Status-Abbrev}\\t${Package}\\t${Architecture}\\t${Version}\\n",
    *NAMES,
)
SOURCE = ("dpkg-query", "-W")
"""What the answer is filed under."""

HOLDS_COMMAND = ("apt-mark", "showhold")

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*")
_DRIVER_NAME = re.compile(
    r"(?:xserver-xorg-video-)?(?:lib)?nvidia-.*|linux-(?:modules|objects|signatures)-nvidia-.*"
    r"|cuda-drivers.*|libcuda1.*"
)
_TOOLKIT_NAME = re.compile(r"(?:lib)?nvidia-(?:container.*|docker2?|cuda-.*|ctk.*)")


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package."""

    name: str
    architecture: str
    version: str
    held: bool

    @property
    def is_driver(self) -> bool:
        """Whether it is part of the driver; container tools and CUDA toolkits are not."""
        return bool(_DRIVER_NAME.fullmatch(self.name) and not _TOOLKIT_NAME.fullmatch(self.name))


@dataclass(frozen=True, slots=True)
class Packages:
    """What is installed, and the lines that could not be understood."""

    installed: tuple[Package, ...] = ()
    unknown: tuple[str, ...] = ()


def parse_packages(text: str) -> Packages:
    """Understand what `dpkg-query` printed in this module's form. Any text will do.

    Packages that are known but not installed (`un`), and what is left of removed ones (`rc`), are
    not installed.
    """
    installed, unknown = [], []
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) != 4 or not _NAME.fullmatch(fields[1]) or len(fields[0].strip()) < 2:
            if line.strip():
                unknown.append(line.strip())
            continue
        status, name, architecture, version = fields
        if status[1] != "n" and status[1] != "c" and version:
            installed.append(Package(name, architecture, version.strip(), status[0] == "h"))
    return Packages(tuple(installed), tuple(unknown))


def parse_holds(text: str) -> frozenset[str]:
    """Return the names of packages on hold, from `apt-mark showhold`. Any text will do."""
    names = (line.strip().partition(":")[0] for line in text.splitlines())
    return frozenset(name for name in names if _NAME.fullmatch(name))
