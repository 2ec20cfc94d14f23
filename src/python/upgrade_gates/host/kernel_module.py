"""The loaded kernel module: /proc/driver/nvidia/version."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

PATH = "/proc/driver/nvidia/version"

_PROPRIETARY = re.compile(r"NVIDIA UNIX (\S+) Kernel Module\s+([0-9][0-9.]*)\s*(.*)")
_OPEN = re.compile(
    r"NVIDIA UNIX Open Kernel Module(?: for (\S+))?\s+([0-9][0-9.]*)\s*(?:Release Build)?\s*(.*)"
)
_LONGEST_LINE = 2000


class Flavour(StrEnum):
    """Which of NVIDIA's two kernel modules it is."""

    PROPRIETARY = "proprietary"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class KernelModule:
    """The module.

    Attributes:
        built: what the module says of who built it and when.
    """

    version: str | None = None
    flavour: Flavour | None = None
    architecture: str | None = None
    built: str | None = None
    compiler: str | None = None
    unknown: tuple[str, ...] = ()


def parse_kernel_module(text: str) -> KernelModule:
    """Understand the file. Any text will do."""
    flavour, found, compiler, unknown = None, None, None, []
    for raw in text.splitlines():
        line = raw.strip()[:_LONGEST_LINE]
        label, _, rest = line.partition(":")
        if label == "NVRM version" and found is None:
            for kind, pattern in ((Flavour.OPEN, _OPEN), (Flavour.PROPRIETARY, _PROPRIETARY)):
                found = pattern.fullmatch(rest.strip())
                if found is not None:
                    flavour = kind
                    break
            else:
                unknown.append(line)
        elif label == "GCC version" and compiler is None:
            compiler = rest.strip() or None
        elif line:
            unknown.append(line)
    return KernelModule(
        version=found[2] if found else None,
        flavour=flavour,
        architecture=found[1] if found else None,
        built=(found[3].strip() or None) if found else None,
        compiler=compiler,
        unknown=tuple(unknown),
    )
