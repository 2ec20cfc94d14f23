"""The packages by which a driver is installed, and which of them would reach a version.

Ubuntu has `nvidia-driver-570-server-open` and the like, Debian `nvidia-driver` and
`nvidia-tesla-535-driver`, NVIDIA's repository `cuda-drivers-570`,
`nvidia-open-570`, and from 590 on the same names without a number
(https://docs.nvidia.com/datacenter/tesla/driver-installation-guide/).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cuda_drivers import driver_at_least
from upgrade_gates.host.facts import HostFacts
from upgrade_gates.host.kernel_module import Flavour
from upgrade_gates.host.packages import driver_version
from upgrade_gates.matrix.matrices import Architectures

_ROOT = re.compile(
    r"(nvidia-driver|nvidia-headless(?:-no-dkms)?|nvidia-open|cuda-drivers)"
    r"(?:-([0-9]{3}))?(-server)?(-open)?"
)
_DEBIAN_ROOT = re.compile(r"nvidia-tesla(?:-[0-9]{3})?-driver")
"""Debian's branches for data centres; its other driver is `nvidia-driver`, without a number."""


@dataclass(frozen=True, slots=True)
class DriverPackage:
    """A package that a person installs to have a driver.

    Attributes:
        stem: the name without series and flavour.
        version: as apt writes it.
        driver: the driver's own version in it.
    """

    name: str
    stem: str
    server: bool
    open: bool
    version: str
    driver: str

    @property
    def series(self) -> int:
        """The driver's branch."""
        return int(self.driver.split(".")[0])


def driver_package(name: str, version: str) -> DriverPackage | None:
    """Return what a package is as a driver; None if it is none."""
    root, number = _ROOT.fullmatch(name), driver_version(version)
    if number is None:
        return None
    if _DEBIAN_ROOT.fullmatch(name):
        return DriverPackage(name, "nvidia-driver", False, False, version, number)
    if root is None:
        return None
    opened = root[4] is not None or root[1] == "nvidia-open"
    return DriverPackage(name, root[1], root[3] is not None, opened, version, number)


def installed_roots(facts: HostFacts) -> tuple[DriverPackage, ...]:
    """Return what a person installed to have the present driver."""
    found = (driver_package(each.name, each.version) for each in facts.driver_packages)
    return tuple(each for each in found if each is not None)


def obtainable(facts: HostFacts) -> Iterator[DriverPackage]:
    """Give every version of every driver package that apt could fetch."""
    for package in facts.candidates.packages:
        for each in package.versions:
            found = driver_package(package.name, each.version) if each.obtainable else None
            if found is not None:
                yield found


def wants_open_modules(facts: HostFacts, special: Architectures) -> bool | None:
    """Whether the open kernel modules must (or must not) be taken; None if both would do."""
    present = {gpu.architecture for gpu in facts.gpus if gpu.architecture is not None}
    if present & special.lacks_open_modules:
        return False
    return True if present & special.needs_open_modules else None


def best_candidate(
    facts: HostFacts, special: Architectures, *, minimum: str, series: int
) -> DriverPackage | None:
    """Return the package to install for a driver of at least a version; None if apt has none.

    The wanted series goes first, then what is most like the present driver: stem, server branch,
    kind of kernel modules; then the newest.
    """
    must_be_open = wants_open_modules(facts, special)
    now = next(iter(installed_roots(facts)), None)
    opened = facts.module.flavour is Flavour.OPEN if must_be_open is None else must_be_open
    fits = [
        each
        for each in obtainable(facts)
        if driver_at_least(each.driver, minimum)
        and (must_be_open is None or each.open is must_be_open)
    ]

    def likeness(each: DriverPackage) -> tuple[object, ...]:
        return (
            each.series == series,
            each.stem == (now.stem if now else "nvidia-driver"),
            each.server == (now.server if now else True),
            each.open == opened,
            -each.series,
            tuple(int(part) for part in each.driver.split(".")),
            each.version,
        )

    return max(fits, key=likeness, default=None)
