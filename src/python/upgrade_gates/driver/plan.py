"""The plan of a driver's change on one host, from which both scripts are written."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from cuda_drivers import driver_at_least
from upgrade_gates.context import Window
from upgrade_gates.driver.change import Change, parse_simulation
from upgrade_gates.driver.selection import selection
from upgrade_gates.errors import PlanRefused
from upgrade_gates.host.facts import HostFacts
from upgrade_gates.host.machine import Machine
from upgrade_gates.host.packages import Package, driver_version
from upgrade_gates.host.record_driver import in_words
from upgrade_gates.host.secure_boot import SecureBoot
from upgrade_gates.host.snapshot import Snapshot
from upgrade_gates.matrix.driver_packages import (
    DriverPackage,
    best_candidate,
    obtainable,
    wants_open_modules,
)
from upgrade_gates.matrix.matrices import Matrices, Matrix, MatrixName

SIMULATE = (
    "apt-get",
    "--simulate",
    "--yes",
    "--ignore-hold",
    "--allow-change-held-packages",
    "install",
)
"""apt's resolver would rather fail than remove a package on hold for a conflict, so it is asked
without holds, and what it would do is compared with them. The script releases the driver's."""

Modules = Literal["dkms", "ready-made"]


class DriverPlan(BaseModel):
    """What is to happen on one host.

    Attributes:
        machine: the digest by which the host is known.
        boot_id: the start of the machine at which the record was made.
        driver_before: None if there was none.
        gpus: how many the driver reported, or the bus has where there was no driver.
        selection: what apt is asked for, `name=version`, or `name-` to be removed.
        changes: everything that apt then does.
        held_before: packages among them that are on hold.
        auto_before: packages among them that came along with others, and that nobody asked for.
        hold_after: packages to be put on hold, so that nothing but the next plan changes them.
        services: systemd services that use the GPUs.
        others: processes that do, and that no service of the system can stop.
        modules: whether kernel modules are built on the host, or come signed.
        installer: NVIDIA's own installer that removes the present driver; None for a packaged one.
    """

    model_config = ConfigDict(frozen=True)

    plan_id: str
    made_at: datetime.datetime
    host: str
    machine: str
    boot_id: str | None
    kernel: str
    matrix: MatrixName
    owner: str
    window: Window
    driver_before: str | None
    driver_after: str
    gpus: int
    selection: tuple[str, ...]
    changes: tuple[Change, ...]
    held_before: tuple[str, ...]
    hold_after: tuple[str, ...]
    services: tuple[str, ...]
    others: tuple[str, ...]
    secure_boot: SecureBoot
    modules: Modules
    auto_before: tuple[str, ...] = ()
    installer: str | None = None

    @property
    def reversed(self) -> tuple[Change, ...]:
        """All changes, the other way round."""
        return tuple(change.reversed for change in self.changes)


def choose_package(
    facts: HostFacts, matrices: Matrices, matrix: Matrix, named: str | None
) -> DriverPackage:
    """Return the package that brings the driver.

    Args:
        named: a package that the operator prefers.

    Raises:
        PlanRefused: apt has none, or the named one is too old or unknown.
    """
    if named is None:
        best = best_candidate(
            facts, matrices.architectures, minimum=matrix.driver, series=matrix.series
        )
        if best is None:
            raise PlanRefused(
                f"apt knows no package with driver {matrix.driver} or newer; run `apt-get update`, "
                "or add the repository that has it, and record again"
            )
        return best
    known = [each for each in obtainable(facts) if each.name == named]
    reaching = [each for each in known if driver_at_least(each.driver, matrix.driver)]
    if not known:
        names = ", ".join(sorted({each.name for each in obtainable(facts)})) or "none"
        raise PlanRefused(f"apt has no driver package {named}; it has: {names}")
    if not reaching:
        versions = ", ".join(each.driver for each in known)
        raise PlanRefused(f"{named} is {versions}, and the matrix needs {matrix.driver} or newer")
    must_be_open = wants_open_modules(facts, matrices.architectures)
    if must_be_open is not None and reaching[0].open is not must_be_open:
        kind = "needs the open kernel modules" if must_be_open else "is not known to the open ones"
        raise PlanRefused(f"{named} will not do: a GPU of this host {kind}")
    return max(reaching, key=lambda each: [int(part) for part in each.driver.split(".")])


def make_plan(
    snapshot: Snapshot,
    facts: HostFacts,
    package: DriverPackage,
    machine: Machine,
    *,
    matrix: MatrixName,
    owner: str,
    window: Window,
    now: datetime.datetime,
) -> DriverPlan:
    """Ask apt what the change would be, and write down everything that the scripts need.

    Raises:
        PlanRefused: apt would not do it, or the record lacks the kernel or the machine's id.
    """
    if facts.release is None or snapshot.machine is None:
        raise PlanRefused("the record lacks the kernel or the machine's id; record again")
    wanted = selection(facts, package)
    requests = tuple(f"{name}={version}" for name, version in sorted(wanted.items()))
    try:
        changes = simulate(machine, requests)
    except PlanRefused:
        # apt's newer solver removes nothing that a person asked for or holds, unless it is told to.
        requests += _asked_for(facts, wanted)
        changes = simulate(machine, requests)
    if beside := _left_beside(facts, changes):
        requests += beside
        changes = simulate(machine, requests)
    before = {each.name for each in changes if each.before}
    held = facts.holds & before
    if others := sorted(name for name in held if not _is_driver(name)):
        raise PlanRefused(
            f"apt would have to change {', '.join(others)}, which is on hold and not part of the "
            f"driver; if it may change, run `apt-mark unhold {' '.join(others)}` and record again"
        )
    return DriverPlan(
        plan_id=_plan_id(now, snapshot.machine, wanted),
        made_at=now,
        host=snapshot.host,
        machine=snapshot.machine,
        boot_id=facts.boot_id,
        kernel=facts.release,
        matrix=matrix,
        owner=owner,
        window=window,
        driver_before=facts.driver,
        driver_after=package.driver,
        gpus=len(facts.gpus) or len(facts.nvidia_devices),
        selection=requests,
        changes=changes,
        held_before=tuple(sorted(held)),
        hold_after=tuple(each.name for each in changes if each.after and _is_driver(each.name)),
        services=tuple(sorted({user.unit for user in facts.users if user.unit})),
        others=tuple(in_words(user) for user in facts.users if user.unit is None),
        secure_boot=facts.secure_boot,
        modules=_modules(wanted),
        auto_before=tuple(sorted(facts.automatic & before)),
        installer=facts.installer,
    )


def _asked_for(facts: HostFacts, wanted: Mapping[str, str]) -> tuple[str, ...]:
    """Return requests to remove the parts of the old driver that somebody wants by name."""
    return tuple(
        f"{each.name}-"
        for each in facts.driver_packages
        if (
            driver_version(each.version) == facts.driver
            or each.name.startswith("linux-modules-nvidia-")
        )
        and (each.name not in facts.automatic or each.name in facts.holds)
        and each.name not in wanted
    )


def _left_beside(facts: HostFacts, changes: Iterable[Change]) -> tuple[str, ...]:
    """Return requests to remove what apt would leave of the old driver.

    Debian's branches can be installed beside each other, and the kernel would go on to load the
    old one.
    """
    changed = {each.name for each in changes}
    return tuple(
        f"{each.name}-"
        for each in facts.driver_packages
        if each.is_core and each.name not in changed
    )


def simulate(machine: Machine, requests: Iterable[str]) -> tuple[Change, ...]:
    """Ask apt what it would change.

    Args:
        requests: as `apt-get install` takes them: `name=version`, `name-`.

    Raises:
        PlanRefused: it cannot, or would change nothing.
    """
    said = machine.run(*SIMULATE, *requests)
    if not said.usable:
        lines = (line for line in said.said.splitlines() if not line.endswith("..."))
        complaint = " ".join(" ".join(lines).split())[-600:]
        raise PlanRefused(
            f"apt would not do it: {complaint or said.outcome}. Where the archive has moved on "
            "since the record, run `apt-get update` and record again"
        )
    changes = parse_simulation(said.text)
    if not changes:
        raise PlanRefused("apt would change nothing: these packages are installed already")
    return changes


def _plan_id(now: datetime.datetime, machine: str, wanted: Mapping[str, str]) -> str:
    digest = hashlib.sha256(f"{machine} {sorted(wanted.items())}".encode()).hexdigest()
    return f"{now.astimezone(datetime.UTC):%Y%m%dT%H%M%SZ}-{digest[:8]}"


def _is_driver(name: str) -> bool:
    return Package(name.partition(":")[0], "", "", held=False).is_driver


def _modules(wanted: Mapping[str, str]) -> Modules:
    return "ready-made" if any(name.startswith("linux-modules-") for name in wanted) else "dkms"
