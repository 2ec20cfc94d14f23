"""Which NVIDIA driver a CUDA variant of a wheel needs, and how a driver and a variant get on.

Sources: NVIDIA, CUDA Toolkit Release Notes, "CUDA Toolkit and Corresponding Driver Versions" and
"CUDA Toolkit and Minimum Required Driver Version for CUDA Minor Version Compatibility" (Linux),
https://docs.nvidia.com/cuda/cuda-toolkit-release-notes/; CUDA Compatibility,
https://docs.nvidia.com/deploy/cuda-compatibility/. For 12.9 the value is that of Update 1, whose
driver is the first of its branch that is not a beta; everything else is the first release's.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

MINIMUM_DRIVER: Mapping[str, str] = {
    "12.4": "550.54.14",
    "12.5": "555.42.02",
    "12.6": "560.28.03",
    "12.8": "570.26",
    "12.9": "575.57.08",
    "13.0": "580.65.06",
    "13.1": "590.44.01",
}
"""Driver that came with a CUDA toolkit, by `torch.version.cuda`."""

MINOR_COMPATIBILITY: Mapping[str, str] = {"12": "525.60.13", "13": "580.65.06"}
"""Oldest driver on which a CUDA major version runs at all, with some features missing."""


class Compatibility(StrEnum):
    """How software built with a CUDA version runs on a driver."""

    FULL = "full"
    """The driver is at least the one that came with the toolkit. Drivers are backward compatible,
    across major versions too."""

    MINOR = "minor"
    """The driver is older, but of the same CUDA major version: code for the GPU that is compiled at
    run time (PTX), and calls that the driver does not know, fail. Forward compatibility helps here
    too."""

    NONE = "none"
    """The driver is too old for this major version. On data centre GPUs a package of forward
    compatibility may still carry it: see `cuda_drivers.forward_compatibility`."""

    UNKNOWN = "unknown"
    """The CUDA version is not in the table, or one of the versions cannot be understood."""


def minimum_driver(cuda: str | None) -> str | None:
    """Return the driver that a CUDA version such as `12.8` needs; None if that is not known."""
    if cuda is None:
        return None
    return MINIMUM_DRIVER.get(".".join(cuda.split(".")[:2]))


def compatibility(driver: str, cuda: str) -> Compatibility:
    """Return how software of a CUDA version runs on a driver. Any text may be given."""
    needed = minimum_driver(cuda)
    if needed is None:
        return Compatibility.UNKNOWN
    try:
        if driver_at_least(driver, needed):
            return Compatibility.FULL
        if runs_with_minor_compatibility(driver, cuda):
            return Compatibility.MINOR
    except ValueError:
        return Compatibility.UNKNOWN
    return Compatibility.NONE


def newest_cuda(driver: str) -> str | None:
    """Return the newest CUDA version of the table that a driver supports in full; None if none.

    Raises:
        ValueError: the driver's version is not numbers with dots.
    """
    fits = [cuda for cuda, needed in MINIMUM_DRIVER.items() if driver_at_least(driver, needed)]
    return max(fits, key=_numbers, default=None)


def runs_with_minor_compatibility(driver: str, cuda: str) -> bool:
    """Whether a driver too old for a CUDA version runs at least others of its major version."""
    oldest = MINOR_COMPATIBILITY.get(cuda.split(".")[0])
    return oldest is not None and driver_at_least(driver, oldest)


def driver_at_least(driver: str, minimum: str) -> bool:
    """Whether a driver version such as `575.57.08` is not older than another one.

    Raises:
        ValueError: one of them is not numbers with dots.
    """
    return _numbers(driver) >= _numbers(minimum)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
