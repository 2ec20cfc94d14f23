"""The NVIDIA driver that runs on this machine, without loading CUDA."""

from __future__ import annotations

import re
from pathlib import Path

from bounded_process import run_bounded

NVIDIA_SMI = ("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
KERNEL_MODULE = Path("/proc/driver/nvidia/version")

_SECONDS = 20.0
_VERSION = re.compile(r"\b\d{3,}(?:\.\d+){1,2}\b")


def driver_version(
    nvidia_smi: tuple[str, ...] = NVIDIA_SMI, kernel_module: Path = KERNEL_MODULE
) -> str | None:
    """Return the driver version as NVML reports it, else as the kernel module does; None if absent.

    A container may have the module without the tool; a mismatch of the two makes NVML refuse, and
    then the module's is the version that runs.
    """
    return _first_version(_output(nvidia_smi)) or _first_version(_text(kernel_module))


def _output(command: tuple[str, ...]) -> str:
    try:
        # A wedged driver lets it hang, and then not even a signal ends it.
        ended = run_bounded(command, seconds=_SECONDS)
    except OSError:
        return ""
    return ended.stdout.decode("utf-8", "replace") if ended.code == 0 else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _first_version(text: str) -> str | None:
    found = _VERSION.search(text)
    return found.group() if found else None
