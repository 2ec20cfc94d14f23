"""What each matrix means for a host and a lock: whether it holds, and why, in plain words."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from cuda_drivers import Compatibility, compatibility, driver_at_least, newest_cuda
from cuda_drivers.forward_compatibility import compat_package
from upgrade_gates.host.facts import HostFacts
from upgrade_gates.host.platform import Platform
from upgrade_gates.matrix.driver_packages import DriverPackage, best_candidate
from upgrade_gates.matrix.matrices import Matrices, Matrix, MatrixName
from upgrade_gates.matrix.wheels import LockedWheels


class Reach(StrEnum):
    """Whether a host has what a matrix asks for."""

    NOW = "holds now"
    AFTER_UPGRADE = "holds after an upgrade of the driver"
    NO = "cannot be had here"
    UNKNOWN = "cannot be known here"


@dataclass(frozen=True, slots=True)
class Assessment:
    """A matrix on a host.

    Attributes:
        candidate: the package that would bring the driver, where one is needed.
        reasons: sentences, the decisive one first.
    """

    name: MatrixName
    matrix: Matrix
    reach: Reach
    candidate: DriverPackage | None
    reasons: tuple[str, ...]


def assess(
    matrices: Matrices, facts: HostFacts, wheels: LockedWheels | None, *, today: datetime.date
) -> tuple[Assessment, ...]:
    """Judge every matrix.

    Args:
        wheels: what the engine's lock holds; None if no lock is named.
    """
    return tuple(
        _assess(matrices, name, facts, wheels, today) for name in sorted(matrices.matrices)
    )


def recommended(
    assessments: tuple[Assessment, ...], matrices: Matrices, *, today: datetime.date
) -> tuple[Assessment, str] | None:
    """Return the matrix to take, and why; None if none can be had or nothing is known.

    A matrix that holds now on a branch that still gets fixes needs no change. Else the one whose
    branch gets fixes longest.
    """

    def supported(each: Assessment) -> datetime.date:
        branch = matrices.branch(each.matrix.series)
        return branch.until if branch else datetime.date.min

    able = [each for each in assessments if each.reach in (Reach.NOW, Reach.AFTER_UPGRADE)]
    if not able:
        return None
    best = max(able, key=lambda each: (supported(each), each.reach is Reach.NOW))
    until = supported(best)
    ended = "got its last fixes on" if until < today else "gets fixes until"
    return best, f"its series {best.matrix.series} {ended} {until.isoformat()}"


def _assess(
    matrices: Matrices,
    name: MatrixName,
    facts: HostFacts,
    wheels: LockedWheels | None,
    today: datetime.date,
) -> Assessment:
    matrix = matrices.matrices[name]
    against = [*_lock_objections(matrix, wheels), *_gpu_objections(matrices, facts)]
    candidate = None
    if against:
        reach, reasons = Reach.NO, against
    elif facts.driver is not None and _at_least(facts.driver, matrix.driver):
        reach = Reach.NOW
        reasons = [f"the driver {facts.driver} is at least {matrix.driver}"]
    else:
        candidate = best_candidate(
            facts, matrices.architectures, minimum=matrix.driver, series=matrix.series
        )
        reach, reasons = _without_driver(matrix, facts, candidate)
    reasons += [*_wheel_reasons(matrix, facts, wheels), *_branch_reasons(matrices, matrix, today)]
    return Assessment(name, matrix, reach, candidate, tuple(reasons))


def _without_driver(
    matrix: Matrix, facts: HostFacts, candidate: DriverPackage | None
) -> tuple[Reach, list[str]]:
    if facts.driver is not None:
        lacking = f"the driver {facts.driver} is older than {matrix.driver}"
    elif facts.nvidia_devices:
        lacking = f"there are {len(facts.nvidia_devices)} NVIDIA GPUs, and no driver is loaded"
    else:
        return Reach.UNKNOWN, [
            "this machine shows no NVIDIA GPU and no driver; run this on the GPU host"
        ]
    if virtual := virtual_gpu(facts):
        return Reach.NO, [f"{lacking}, and {virtual}"]
    if facts.platform.instead is not None:
        return Reach.NO, [f"{lacking}, and this is {facts.platform}: {facts.platform.instead}"]
    if candidate is not None:
        return Reach.AFTER_UPGRADE, [
            f"{lacking}, and apt can install {candidate.name} {candidate.version}"
        ]
    if not facts.os.has_apt:
        return Reach.NO, [f"{lacking}, and {facts.os.without_apt}"]
    return Reach.NO, [
        f"{lacking}, and apt knows no package with a newer one; run `apt-get update`, or add the "
        "repository that has it"
    ]


def virtual_gpu(facts: HostFacts) -> str | None:
    """Return why a virtual GPU's driver cannot be chosen from inside; None if none is virtual."""
    for gpu in facts.gpus:
        if (gpu.virtualization or "").upper() == "VGPU":
            return (
                f"{gpu.name} is a virtual GPU: its driver must be the one that comes with the "
                "hypervisor's; ask whoever runs that"
            )
    return None


def _lock_objections(matrix: Matrix, wheels: LockedWheels | None) -> Iterator[str]:
    if wheels is None:
        return
    for package, locked, wanted in (
        ("torch", wheels.torch, matrix.torch),
        ("vllm", wheels.vllm, matrix.vllm),
    ):
        if locked is not None and locked != wanted:
            yield f"the lock pins {package} {locked}, and the matrix is about {wanted}"
    if wheels.python is not None and wheels.python not in matrix.pythons:
        yield f"the lock is for Python {wheels.python}; the matrix has {', '.join(matrix.pythons)}"
    if wheels.cuda is not None:
        fit = compatibility(matrix.driver, wheels.cuda)
        if fit is not Compatibility.FULL:
            yield (
                f"the lock's wheels are built with CUDA {wheels.cuda}, which the matrix's driver "
                f"{matrix.driver} supports: {fit}"
            )


def _gpu_objections(matrices: Matrices, facts: HostFacts) -> Iterator[str]:
    if facts.platform is Platform.JETSON:
        yield f"this is {facts.platform}: {facts.platform.instead}"
    for gpu in facts.gpus:
        if gpu.architecture in matrices.architectures.too_old:
            yield f"vLLM does not run on {gpu.name}, whose architecture is {gpu.architecture}"


def _wheel_reasons(matrix: Matrix, facts: HostFacts, wheels: LockedWheels | None) -> Iterator[str]:
    if wheels is None:
        yield "no lock is named, so the CUDA version of its wheels is not looked at"
        return
    if wheels.cuda is None:
        yield "the lock pins no CUDA runtime, so the CUDA version of its wheels is unknown"
        return
    if compatibility(matrix.driver, wheels.cuda) is Compatibility.FULL:
        yield (
            f"wheels built with CUDA {wheels.cuda} run in full on driver {matrix.driver} and "
            "newer: drivers are backward compatible"
        )
    if facts.driver is None:
        return
    match compatibility(facts.driver, wheels.cuda):
        case Compatibility.FULL:
            yield f"on the present driver {facts.driver} they run in full as well"
        case Compatibility.MINOR:
            own = facts.table.cuda or newest_cuda(facts.driver) or "an older version"
            yield (
                f"on the present driver {facts.driver}, which is of CUDA {own}, they start by "
                "minor version compatibility, but what is compiled at run time fails"
                f"{_stopgap(facts, facts.driver, wheels.cuda)}"
            )
        case Compatibility.NONE:
            stopgap = _stopgap(facts, facts.driver, wheels.cuda)
            yield f"on the present driver {facts.driver} they do not start{stopgap}"
        case Compatibility.UNKNOWN:
            yield f"how they run on the present driver {facts.driver} is not known"


def _stopgap(facts: HostFacts, driver: str, cuda: str) -> str:
    """Say whether forward compatibility helps until the driver is upgraded."""
    package = compat_package(driver, cuda)
    if package is None:
        return f"; no package of forward compatibility for CUDA {cuda} is known to help on it"
    if not facts.gpus or not all(gpu.data_centre for gpu in facts.gpus):
        return f"; NVIDIA's {package} would help on data centre GPUs only"
    return (
        f"; NVIDIA's {package} carries them on these data centre GPUs, which is a stopgap and not "
        "part of a matrix"
    )


def _branch_reasons(matrices: Matrices, matrix: Matrix, today: datetime.date) -> Iterator[str]:
    branch = matrices.branch(matrix.series)
    if branch is None:
        return
    until = branch.until.isoformat()
    if branch.until < today:
        yield f"series {branch.number} ({branch.name}) got its last fixes on {until}"
    else:
        yield f"series {branch.number} ({branch.name}) gets fixes until {until}"


def _at_least(driver: str, minimum: str) -> bool:
    try:
        return driver_at_least(driver, minimum)
    except ValueError:
        return False
