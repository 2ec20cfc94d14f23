"""What must be true after the reboot, and which of it is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from upgrade_gates.driver.plan import DriverPlan
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.host.facts import HostFacts
from upgrade_gates.host.smi_failure import SmiFailure
from upgrade_gates.matrix.matrices import Matrix

_SHOWN = 3
"""Packages named one by one; a driver has twenty, and one word is true of all of them."""

_NONE_RUNS = frozenset({SmiFailure.NO_DRIVER, SmiFailure.NO_LIBRARY})
"""What nvidia-smi says, where it is left, of a host that is to have no driver."""

NOT_HERE = "this machine shows no NVIDIA GPU, so run this on the GPU host"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a host is to be like.

    Attributes:
        driver: None for no driver at all.
        gpus: None if it is not known how many there were.
        starts: ids of the machine's starts before the reboot, at the record and when the script
            changed packages; None if no reboot is expected, empty if none of them is known.
        packages: versions by name; None for a package that must not be installed.
    """

    driver: str | None
    gpus: int | None
    starts: frozenset[str] | None
    packages: dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Verified:
    """What a line of the checklist found."""

    line: str
    verdict: Verdict
    reason: str


def after_upgrade(plan: DriverPlan, changed_in: str | None) -> Expected:
    """Return what is expected once the plan was carried out.

    Args:
        changed_in: id of the machine's start in which the script changed packages, if it is known.
            The machine may have been rebooted between the record and the window.
    """
    packages = {change.name: change.after for change in plan.changes}
    return Expected(plan.driver_after, plan.gpus, _starts(plan, changed_in), packages)


def after_rollback(plan: DriverPlan, changed_in: str | None) -> Expected:
    """Return what is expected once it was undone.

    Args:
        changed_in: id of the machine's start in which `rollback.sh` ran, if it is known.
    """
    packages = {change.name: change.before for change in plan.changes}
    gpus = plan.gpus if plan.driver_before else None
    return Expected(plan.driver_before, gpus, _starts(plan, changed_in), packages)


def _starts(plan: DriverPlan, changed_in: str | None) -> frozenset[str]:
    return frozenset(each for each in (plan.boot_id, changed_in) if each is not None)


def without_change(recorded: HostFacts) -> Expected:
    """Return what is expected where the driver was good already."""
    return Expected(recorded.driver, len(recorded.gpus), None, {})


def verify_host(expected: Expected, facts: HostFacts, matrix: Matrix | None) -> Iterator[Verified]:
    """Compare a host with what is expected, line by line.

    Args:
        matrix: whose CUDA version must be supported; None to leave that out.
    """
    yield _install(expected, facts)
    yield _reboot(expected, facts)
    yield _series(expected, facts)
    yield _cuda(expected, facts, matrix)


def _install(expected: Expected, facts: HostFacts) -> Verified:
    line = "1.install"
    installed = {package.name: package.version for package in facts.packages.installed}
    wrong = [
        (
            f"{name} is not installed"
            if name not in installed
            else f"{name} is {installed[name]} and not {version or 'removed'}"
        )
        for name, version in sorted(expected.packages.items(), key=lambda each: each[1] is None)
        if (name in installed or version is not None) and installed.get(name) != version
    ]
    wrong += [f"{each}, which dpkg left half-way" for each in facts.half_way]
    if wrong:
        more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        reason = f"{len(wrong)} packages differ: {'; '.join(wrong[:_SHOWN])}{more}"
        return Verified(line, Verdict.FAIL, reason)
    if not expected.packages:
        return Verified(line, Verdict.PASS, f"the driver {expected.driver} needed no change")
    return Verified(line, Verdict.PASS, f"{len(expected.packages)} packages are as expected")


def _reboot(expected: Expected, facts: HostFacts) -> Verified:
    line = "1.reboot"
    if expected.starts is None:
        return Verified(line, Verdict.PASS, "no driver was changed, so no reboot was needed")
    if facts.boot_id is None:
        return Verified(line, Verdict.FAIL, "this start of the machine has no id to compare")
    if not expected.starts:
        reason = "which start of the machine the driver was changed in is not known"
        return Verified(line, Verdict.FAIL, reason)
    if facts.boot_id in expected.starts:
        return Verified(line, Verdict.FAIL, "the machine was not rebooted since the change")
    return Verified(line, Verdict.PASS, f"the machine was started anew ({facts.boot_id})")


def _series(expected: Expected, facts: HostFacts) -> Verified:
    line = "1.validate.series"
    wrong = list(_series_problems(expected, facts))
    if not wrong:
        said = (
            f"nvidia-smi and the kernel module are {expected.driver}"
            if expected.driver
            else ("no driver is loaded, as before")
        )
        return Verified(line, Verdict.PASS, said)
    return Verified(line, Verdict.FAIL, "; ".join(wrong))


def _series_problems(expected: Expected, facts: HostFacts) -> Iterator[str]:
    smi, module, libraries = facts.table.driver, facts.module.version, facts.table.smi
    failure = facts.table.failure
    if failure is not None and (expected.driver is not None or failure not in _NONE_RUNS):
        yield f"nvidia-smi: {failure}"
    if expected.driver is None:
        if module is not None:
            yield f"the kernel module {module} is loaded, and none was"
        return
    if smi is None and failure is None:
        yield f"nvidia-smi shows no driver, and {expected.driver} is expected"
    if smi is not None and smi != expected.driver:
        yield f"nvidia-smi shows driver {smi}, and {expected.driver} is expected"
    if module != expected.driver:
        yield f"the kernel module is {module or 'not loaded'}, and {expected.driver} is expected"
    if libraries is not None and module is not None and libraries != module:
        yield f"the installed libraries are {libraries}, and the kernel module is {module}"
    if any(gpu.dead for gpu in facts.table.gpus) or any(gpu.dead for gpu in facts.gpus):
        yield "a GPU cannot be read any more (ERR!)"
    if facts.gpus and facts.silent_devices:
        yield f"the driver does not report {', '.join(facts.silent_devices)}, which is on the bus"
    if expected.gpus is not None and len(facts.gpus) != expected.gpus:
        yield f"the driver reports {len(facts.gpus)} GPUs, and there were {expected.gpus}"


def _cuda(expected: Expected, facts: HostFacts, matrix: Matrix | None) -> Verified:
    line = "1.validate.cuda"
    shown = facts.table.cuda
    if expected.driver is None or matrix is None:
        return Verified(line, Verdict.PASS, f"nvidia-smi shows CUDA {shown or 'none'}")
    if shown is None:
        return Verified(line, Verdict.FAIL, "nvidia-smi shows no CUDA version")
    if _numbers(shown) < _numbers(matrix.cuda):
        return Verified(
            line, Verdict.FAIL, f"nvidia-smi shows CUDA {shown}, and the matrix has {matrix.cuda}"
        )
    return Verified(line, Verdict.PASS, f"nvidia-smi shows CUDA {shown}, enough for {matrix.cuda}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part)
