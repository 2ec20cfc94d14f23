"""What to ask apt for: the driver's package, and the companions that must have the same series."""

from __future__ import annotations

import re
from collections.abc import Iterator

from upgrade_gates.errors import PlanRefused
from upgrade_gates.host.facts import HostFacts
from upgrade_gates.host.packages import driver_version
from upgrade_gates.matrix.driver_packages import DriverPackage

_COMPANION = re.compile(r"(nvidia-fabricmanager|libnvidia-nscq|nvidia-imex)(-[0-9]{3})?")
"""They refuse to work with a driver of any other version than their own."""

_READY_MADE = re.compile(
    r"linux-modules-nvidia-[0-9]{3}(?:-server)?(?:-open)?-(?!server-|open-)([a-z0-9][a-z0-9.-]*)"
)
"""Ubuntu's signed kernel modules: for one kernel such as `6.8.0-52-generic`, or by the flavour
alone (`generic`, `aws`), which brings those for the newest kernel of it."""


def selection(facts: HostFacts, package: DriverPackage) -> dict[str, str]:
    """Return versions by package name: what `apt-get install` is told.

    Raises:
        PlanRefused: the host has a companion of the driver, and apt has none for the new one.
    """
    return {package.name: package.version, **dict(_companions(facts, package))}


def _companions(facts: HostFacts, package: DriverPackage) -> Iterator[tuple[str, str]]:
    found = (_READY_MADE.fullmatch(each.name) for each in facts.driver_packages)
    kernels = {each[1] for each in found if each}
    flavours = {each for each in kernels if not each[0].isdigit()}
    for installed in facts.driver_packages:
        if same_version := _COMPANION.fullmatch(installed.name):
            number = f"-{package.series}" if same_version[2] else ""
            name = f"{same_version[1]}{number}"
            yield name, _version(facts, name, installed.name, driver=package.driver)
        elif ready_made := _READY_MADE.fullmatch(installed.name):
            if flavours and ready_made[1] not in flavours:
                continue  # comes along with its flavour
            flavour = ("-server" if package.server else "") + ("-open" if package.open else "")
            name = f"linux-modules-nvidia-{package.series}{flavour}-{ready_made[1]}"
            yield name, _version(facts, name, installed.name, driver=None)


def _version(facts: HostFacts, name: str, old: str, *, driver: str | None) -> str:
    """Return the version of a package that apt could fetch; of just a driver, if one is given."""
    for package in facts.candidates.packages:
        if package.name == name:
            versions = [each.version for each in package.versions if each.obtainable]
            fits = [each for each in versions if driver in (None, driver_version(each))]
            if fits:
                return package.candidate if package.candidate in fits else fits[0]
    wanted = f"{name} {driver}" if driver else name
    raise PlanRefused(
        f"this host has {old}, and apt has no {wanted} to go with the new driver; run `apt-get "
        "update` and record again, or choose another driver with --package"
    )
