"""What a lock's wheels need: the CUDA version that torch was built with, by the pins beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from upgrade_gates.errors import ArtefactUnusable

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
_PYTHON = re.compile(r"^# python: ([0-9.]+)$", re.MULTILINE)
_BUILD = re.compile(r"\+cu([0-9]{2})([0-9])$")
_RUNTIME = re.compile(r"nvidia-cuda-runtime(?:-cu[0-9]+)?")
"""torch depends on the CUDA runtime of exactly its own version, under a name with or without the
major version, such as nvidia-cuda-runtime-cu12."""


@dataclass(frozen=True, slots=True)
class LockedWheels:
    """The engine's versions in a lock; None where it does not pin them.

    Attributes:
        cuda: such as `12.8`.
        python: the version that the lock is for.
    """

    torch: str | None
    vllm: str | None
    cuda: str | None
    python: str | None


def read_wheels(lock: Path) -> LockedWheels:
    """Read a lock.

    Raises:
        ArtefactUnusable: it cannot be read, or is not text.
    """
    try:
        return parse_wheels(lock.read_text(encoding="utf-8"))
    except OSError as error:
        raise ArtefactUnusable(f"the lock {lock} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ArtefactUnusable(f"the lock {lock} is not a text file") from None


def parse_wheels(text: str) -> LockedWheels:
    """Understand a lock. Any text will do."""
    pins = {name.lower().replace("_", "-"): version for name, version in _PIN.findall(text)}
    torch = pins.get("torch")
    python = _PYTHON.search(text)
    return LockedWheels(
        torch=torch.partition("+")[0] if torch else None,
        vllm=pins.get("vllm"),
        cuda=_cuda(torch, pins),
        python=python[1] if python else None,
    )


def _cuda(torch: str | None, pins: dict[str, str]) -> str | None:
    built = _BUILD.search(torch or "")
    if built is not None:
        return f"{built[1]}.{built[2]}"
    for name, version in pins.items():
        if _RUNTIME.fullmatch(name):
            return ".".join(version.split(".")[:2])
    return None
