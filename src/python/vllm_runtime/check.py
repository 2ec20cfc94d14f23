"""Gate 2: can this environment run vLLM, and is it the environment that was locked?"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from cuda_drivers import (
    driver_at_least,
    minimum_driver,
    runs_with_minor_compatibility,
)
from cuda_drivers.forward_compatibility import compat_package
from querylake_version import VERSION
from vllm_runtime.probe_run import Probed, ProbeResult, TorchStep, VllmStep

Package = Literal["torch", "vllm"]
PACKAGES: tuple[Package, ...] = ("torch", "vllm")


class Finding(BaseModel):
    """One thing looked at.

    Attributes:
        ok: None if it was not asked for, or cannot be known on this machine.
    """

    model_config = ConfigDict(frozen=True)

    check: str
    ok: bool | None
    detail: str


class CheckReport(BaseModel):
    """What `check` prints.

    Attributes:
        ok: no finding is false; everything that was asked for holds.
        cuda_variant: CUDA version that torch was built for; None for a CPU build.
        minimum_driver: the driver that this variant needs; None if unknown.
        driver: the driver that runs here; None if there is none.
    """

    model_config = ConfigDict(frozen=True)

    ok: bool
    vllm_runtime: str
    python: str
    torch: str | None
    vllm: str | None
    expected: dict[str, str]
    cuda_variant: str | None
    cuda_available: bool | None
    devices: tuple[str, ...]
    driver: str | None
    minimum_driver: str | None
    findings: tuple[Finding, ...]


def check_report(
    probed: Probed, *, driver: str | None, expected: Mapping[str, str], require_cuda: bool
) -> CheckReport:
    """Judge what the probe found.

    Args:
        driver: version of the running NVIDIA driver, None without one.
        expected: version by package; packages left out are reported but not compared.
        require_cuda: whether CUDA has to work here.
    """
    result = probed.result
    torch = result.torch if result else None
    cuda = result.cuda if result else None
    findings = [
        *(_import_finding(probed, package) for package in PACKAGES),
        *(_version_finding(result, package, expected.get(package)) for package in PACKAGES),
        _compiled_finding(result, require_cuda),
        _cuda_finding(result, require_cuda),
        _driver_finding(driver, torch.cuda if torch else None),
    ]
    return CheckReport(
        ok=all(finding.ok is not False for finding in findings),
        vllm_runtime=VERSION,
        python=result.python if result else platform.python_version(),
        torch=_version(result, "torch"),
        vllm=_version(result, "vllm"),
        expected=dict(expected),
        cuda_variant=torch.cuda if torch else None,
        cuda_available=cuda.available if cuda else None,
        devices=cuda.devices if cuda else (),
        driver=driver,
        minimum_driver=minimum_driver(torch.cuda if torch else None),
        findings=tuple(findings),
    )


def _step(result: ProbeResult | None, package: Package) -> TorchStep | VllmStep | None:
    if result is None:
        return None
    return result.torch if package == "torch" else result.vllm


def _version(result: ProbeResult | None, package: Package) -> str | None:
    step = _step(result, package)
    return step.version if step else None


def _import_finding(probed: Probed, package: Package) -> Finding:
    check = f"import_{package}"
    step = _step(probed.result, package)
    if step is None:
        reached = probed.result.step if probed.result else None
        where = f" during {reached}" if reached else ""
        return Finding(check=check, ok=False, detail=f"the import probe {probed.failure}{where}")
    if step.error is not None:
        return Finding(check=check, ok=False, detail=step.error)
    return Finding(check=check, ok=True, detail=f"{package} {step.version} imports")


def _version_finding(result: ProbeResult | None, package: Package, expected: str | None) -> Finding:
    check = f"{package}_version"
    found = _version(result, package)
    if expected is None:
        return Finding(check=check, ok=None, detail=f"{found or 'unknown'}; none was expected")
    if found is None:
        return Finding(check=check, ok=False, detail=f"unknown; expected {expected}")
    # `2.9.0+cu128` is 2.9.0: the part after + names the build, and counts only if asked for.
    comparable = found if "+" in expected else found.partition("+")[0]
    if comparable == expected:
        return Finding(check=check, ok=True, detail=f"{found}, as expected")
    return Finding(
        check=check,
        ok=False,
        detail=f"{found}; expected {expected}: build this environment from its lock again",
    )


def _compiled_finding(result: ProbeResult | None, require_cuda: bool) -> Finding:
    check = "vllm_compiled"
    compiled = result.vllm.compiled if result and result.vllm else None
    if compiled is None:
        return Finding(check=check, ok=None, detail="not looked at: vllm._C was not found")
    if compiled.error is None:
        return Finding(check=check, ok=True, detail="vllm._C loads")
    # The driver's own library is missing on every machine without a driver.
    without_driver = "libcuda.so" in compiled.error and not require_cuda
    return Finding(
        check=check,
        ok=None if without_driver else False,
        detail=f"vllm._C does not load: {compiled.error}",
    )


def _cuda_finding(result: ProbeResult | None, require_cuda: bool) -> Finding:
    check = "cuda_available"
    step = result.cuda if result else None
    if step is None or step.error is not None:
        reason = step.error if step else "the import probe did not come that far"
        return Finding(check=check, ok=False if require_cuda else None, detail=f"unknown: {reason}")
    if step.available:
        return Finding(check=check, ok=True, detail=f"yes: {', '.join(step.devices)}")
    if require_cuda:
        return Finding(check=check, ok=False, detail="no: torch sees no CUDA device here")
    return Finding(check=check, ok=None, detail="no; not asked for (--require-cuda)")


def _driver_finding(driver: str | None, cuda: str | None) -> Finding:
    check = "driver"
    if cuda is None:
        return Finding(check=check, ok=None, detail="torch's CUDA variant is unknown or none")
    minimum = minimum_driver(cuda)
    if minimum is None:
        return Finding(check=check, ok=None, detail=f"no minimum driver is known for CUDA {cuda}")
    if driver is None:
        return Finding(
            check=check, ok=None, detail=f"no NVIDIA driver here; CUDA {cuda} needs {minimum}"
        )
    if driver_at_least(driver, minimum):
        return Finding(check=check, ok=True, detail=f"{driver} is at least {minimum} (CUDA {cuda})")
    detail = f"{driver} is older than {minimum}, which CUDA {cuda} needs"
    if runs_with_minor_compatibility(driver, cuda):
        detail += "; it runs only by minor version compatibility, with features missing"
    if package := compat_package(driver, cuda):
        detail += (
            f"; on data centre GPUs, NVIDIA's {package} carries it until the driver is upgraded"
        )
    return Finding(check=check, ok=False, detail=detail)
