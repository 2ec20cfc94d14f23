"""Gate 2's lines, judged from the runtime's report and the contents of its PEX. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.lock_file import LockFile
from upgrade_gates.matrix.matrices import Matrix
from upgrade_gates.pex_file import PexFile
from upgrade_gates.runtime.report import Finding, RuntimeReport

_SHOWN = 3


@dataclass(frozen=True)
class Judged:
    """What is to be said of one line."""

    check: str
    verdict: Verdict
    reason: str


def judge_environment(pex: PexFile, lock: LockFile) -> Judged:
    """Judge whether a PEX was made from a lock."""
    differences = pex.disagreements(lock)
    if differences:
        more = f", and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
        return Judged(
            "2.environment",
            Verdict.FAIL,
            f"{pex.path.name} was not made from {lock.path.name}: it holds "
            f"{'; '.join(differences[:_SHOWN])}{more}; build it again",
        )
    if pex.absent:
        return Judged(
            "2.environment",
            Verdict.FAIL,
            f"{pex.path.name} lists {len(pex.absent)} distributions that are not in it, such as "
            f"{pex.absent[0]}; build it again",
        )
    missing = pex.missing(lock)
    if missing:
        more = f", and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        return Judged(
            "2.environment",
            Verdict.FAIL,
            f"{pex.path.name} holds {len(pex.versions)} of the {len(lock.pins)} distributions that "
            f"{lock.path.name} pins, and lacks {', '.join(missing[:_SHOWN])}{more}; build it again",
        )
    return Judged(
        "2.environment",
        Verdict.PASS,
        f"{pex.path.name} holds {len(pex.versions)} distributions, each as {lock.path.name} "
        f"pins it (as of {lock.as_of or 'an unknown date'})",
    )


def judge_report(report: RuntimeReport, matrix: Matrix | None) -> tuple[Judged, ...]:
    """Judge what the runtime says of itself.

    Args:
        matrix: the one that was chosen; None leaves the lock alone to compare with.
    """
    return (
        _for_matrix(_torch_version(report), _torch_misfit(report, matrix)),
        _for_matrix(
            _from("2.install.vllm", report.finding("vllm_version")), _vllm_misfit(report, matrix)
        ),
        _torch_sanity(report),
        _vllm_sanity(report),
    )


def unanswered(reason: str) -> tuple[Judged, ...]:
    """Return what is to be said where there is no report."""
    lines = ("2.install.torch", "2.install.vllm", "2.sanity.torch", "2.sanity.vllm")
    return tuple(Judged(line, Verdict.FAIL, f"the runtime's check: {reason}") for line in lines)


def _from(check: str, finding: Finding) -> Judged:
    if finding.ok is None:
        return Judged(check, Verdict.INCONCLUSIVE, finding.detail)
    return Judged(check, Verdict.PASS if finding.ok else Verdict.FAIL, finding.detail)


def _for_matrix(judged: Judged, misfit: str | None) -> Judged:
    return judged if misfit is None else Judged(judged.check, Verdict.FAIL, misfit)


def _torch_misfit(report: RuntimeReport, matrix: Matrix | None) -> str | None:
    """Return how torch differs from what the matrix asks for."""
    if matrix is None or report.torch is None:
        return None
    if report.torch.partition("+")[0] != matrix.torch:
        return f"torch {report.torch}, and the matrix asks for {matrix.torch}"
    variant = report.cuda_variant
    if variant is not None and _numbers(variant) > _numbers(matrix.cuda):
        return (
            f"torch is built for CUDA {variant}, and the matrix's driver goes up to {matrix.cuda}"
        )
    return None


def _vllm_misfit(report: RuntimeReport, matrix: Matrix | None) -> str | None:
    if matrix is None or report.vllm is None or report.vllm.partition("+")[0] == matrix.vllm:
        return None
    return f"vLLM {report.vllm}, and the matrix asks for {matrix.vllm}"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _torch_version(report: RuntimeReport) -> Judged:
    version, driver = report.finding("torch_version"), report.finding("driver")
    worst = version if version.ok is not True or driver.ok is None else driver
    said = _from("2.install.torch", worst)
    reason = f"{version.detail}; CUDA {report.cuda_variant or 'none'}: {driver.detail}"
    return Judged(said.check, said.verdict, reason)


def _torch_sanity(report: RuntimeReport) -> Judged:
    check = "2.sanity.torch"
    imported = report.finding("import_torch")
    if not imported.ok:
        return Judged(check, Verdict.FAIL, imported.detail)
    if report.cuda_available:
        return Judged(check, Verdict.PASS, f"{imported.detail}; CUDA: {', '.join(report.devices)}")
    if report.driver is None:
        return Judged(
            check,
            Verdict.NOT_CHECKABLE,
            f"{imported.detail}; this machine has no NVIDIA driver, so whether it sees a GPU "
            "must be asked on the GPU host",
        )
    return Judged(
        check,
        Verdict.FAIL,
        f"{imported.detail}, but sees no CUDA device, though driver {report.driver} is here: "
        f"{report.finding('cuda_available').detail}",
    )


def _vllm_sanity(report: RuntimeReport) -> Judged:
    check = "2.sanity.vllm"
    imported, compiled = report.finding("import_vllm"), report.finding("vllm_compiled")
    if not imported.ok:
        return Judged(check, Verdict.FAIL, imported.detail)
    reason = f"{imported.detail}; {compiled.detail}"
    if compiled.ok is None and report.driver is None:
        return Judged(check, Verdict.NOT_CHECKABLE, f"{reason}; ask on the GPU host")
    return Judged(check, _from(check, compiled).verdict, reason)
