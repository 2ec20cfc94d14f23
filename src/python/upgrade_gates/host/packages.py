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
AUTOMATIC_COMMAND = ("apt-mark", "showauto")
ARCHITECTURE_COMMAND = ("dpkg", "--print-architecture")

STATES_COMMAND = ("dpkg-query", "-W", "-f", "${db:Status-Abbrev}\\t${binary:Package}\\n")
STATES_SOURCE = ("dpkg-query", "-W", "states")
"""What its answer is filed under: packages of the whole host that are not whole."""

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*")
_QUALIFIED = re.compile(r"[a-z0-9][a-z0-9+.-]*(?::[a-z0-9-]+)?")
_WHOLE = frozenset({"n", "c", "i", "W", "t"})
"""States in which dpkg left a package on purpose: not installed, configuration left, installed,
waiting for a trigger (dpkg-query(1))."""
_DRIVER_NAME = re.compile(
    r"(?:xserver-xorg-video-)?(?:lib)?nvidia-.*|linux-(?:modules|objects|signatures)-nvidia-.*"
    r"|cuda-drivers.*|libcuda1.*|firmware-nvidia-.*"
)
_CORE_NAME = re.compile(
    r"nvidia-(?:driver|headless|dkms|kernel-(?:open-|source-)?(?:dkms|source)|utils|compute-utils)"
    r"(?:-no-dkms)?(?:-[0-9]{3})?(?:-server)?(?:-open)?"
    r"|nvidia-open|libnvidia-compute-[0-9]{3}(?:-server)?|libcuda1|libnvidia-ml1"
    r"|nvidia-(?:tesla|legacy)-[0-9]{3}(?:xx)?-(?:driver|kernel-(?:dkms|support)|alternative)"
)
_TOOLKIT_NAME = re.compile(r"(?:lib)?nvidia-(?:container.*|docker2?|cuda-.*|ctk.*)")


_DRIVER_VERSION = re.compile(r"(?:[0-9]+:)?([0-9]{3}(?:\.[0-9]+){1,2})(?![0-9.])")


def driver_version(version: str) -> str | None:
    """Return the driver's own version in the version of its package."""
    found = _DRIVER_VERSION.match(version)
    return found[1] if found else None


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package.

    Attributes:
        name: with its architecture if that is not the machine's own, as apt writes it.
    """

    name: str
    architecture: str
    version: str
    held: bool

    @property
    def is_core(self) -> bool:
        """Whether its version is the driver's own.

        The module, what talks to it and what pulls both are; settings, display parts and firmware
        have versions of their own.
        """
        return bool(_CORE_NAME.fullmatch(self.name.partition(":")[0]))

    @property
    def is_driver(self) -> bool:
        """Whether it is part of the driver; container tools and CUDA toolkits are not."""
        return bool(_DRIVER_NAME.fullmatch(self.name) and not _TOOLKIT_NAME.fullmatch(self.name))


@dataclass(frozen=True, slots=True)
class Packages:
    """What is installed, and the lines that could not be understood."""

    installed: tuple[Package, ...] = ()
    unknown: tuple[str, ...] = ()


def parse_packages(text: str, native: str | None = None) -> Packages:
    """Understand what `dpkg-query` printed in this module's form. Any text will do.

    Packages that are known but not installed (`un`), and what is left of removed ones (`rc`), are
    not installed.

    Args:
        native: the machine's own architecture; None if unknown, and then no package is foreign.
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
            foreign = native is not None and architecture not in (native, "all", "")
            label = f"{name}:{architecture}" if foreign else name
            installed.append(Package(label, architecture, version.strip(), status[0] == "h"))
    return Packages(tuple(installed), tuple(unknown))


def parse_states(text: str) -> tuple[str, ...]:
    """Return packages that dpkg left half-way, with the state it writes. Any text will do.

    apt ends what was begun with them before it does anything else, or fails at it again.
    """
    found = []
    for line in text.splitlines():
        status, tab, name = line.partition("\t")
        state = status.rstrip()
        if not tab or len(state) < 2 or not _QUALIFIED.fullmatch(name.strip()):
            continue
        if state[1] not in _WHOLE or "R" in state[2:]:
            found.append(f"{name.strip()} ({state})")
    return tuple(found)


def parse_architecture(text: str) -> str | None:
    """Return the machine's own architecture, as dpkg calls it. Any text will do."""
    word = text.strip()
    return word if _NAME.fullmatch(word) else None


def parse_names(text: str) -> frozenset[str]:
    """Return the names that `apt-mark` prints one on each line. Any text will do."""
    names = (line.strip() for line in text.splitlines())
    return frozenset(name for name in names if _QUALIFIED.fullmatch(name))
