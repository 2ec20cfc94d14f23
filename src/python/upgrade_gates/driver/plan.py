"""The plan of a driver's change on one host, from which both scripts are written."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from cuda_drivers import driver_at_least
from upgrade_gates.context import Window
from upgrade_gates.driver.change import Change, parse_simulation
from upgrade_gates.driver.packages import (
    DriverPackage,
    best_candidate,
    obtainable,
    wants_open_modules,
)
from upgrade_gates.driver.selection import selection
from upgrade_gates.errors import PlanRefused
from upgrade_gates.host.facts import HostFacts
from upgrade_gates.host.machine import Machine
from upgrade_gates.host.packages import Package
from upgrade_gates.host.record import in_words
from upgrade_gates.host.secure_boot import SecureBoot
from upgrade_gates.host.snapshot import Snapshot
from upgrade_gates.matrix.matrices import Matrices, Matrix, MatrixName

SIMULATE = ("apt-get", "--simulate", "--yes", "--allow-change-held-packages", "install")

Modules = Literal["dkms", "ready-made"]


class DriverPlan(BaseModel):
    """What is to happen on one host.

    Attributes:
        machine: the digest by which the host is known.
        boot_id: the start of the machine at which the record was made.
        driver_before: None if there was none.
        gpus: how many the driver reported, or the bus has where there was no driver.
        selection: what apt is asked for, `name=version`.
        changes: everything that apt then does.
        held_before: packages among them that are on hold.
        hold_after: packages to be put on hold, so that nothing but the next plan changes them.
        services: systemd services that use the GPUs.
        others: processes that do, and that no service of the system can stop.
        modules: whether kernel modules are built on the host, or come signed.
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
    changes = simulate(machine, wanted)
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
        selection=tuple(f"{name}={version}" for name, version in sorted(wanted.items())),
        changes=changes,
        held_before=tuple(sorted(facts.holds & {each.name for each in changes if each.before})),
        hold_after=tuple(each.name for each in changes if each.after and _is_driver(each.name)),
        services=tuple(sorted({user.unit for user in facts.users if user.unit})),
        others=tuple(in_words(user) for user in facts.users if user.unit is None),
        secure_boot=facts.secure_boot,
        modules=_modules(wanted),
    )


def simulate(machine: Machine, wanted: Mapping[str, str]) -> tuple[Change, ...]:
    """Ask apt what it would change.

    Raises:
        PlanRefused: it cannot, or would change nothing.
    """
    said = machine.run(*SIMULATE, *(f"{name}={wanted[name]}" for name in sorted(wanted)))
    if not said.usable:
        complaint = " ".join(said.said.split())[-600:]
        raise PlanRefused(f"apt would not do it: {complaint or said.outcome}")
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
