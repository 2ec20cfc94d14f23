"""`dkms status`: which modules are built for which kernel.

DKMS 3 writes `nvidia/570.133.20, 6.8.0-52-generic, x86_64: installed`, DKMS 2 has a comma in place
of the slash.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

COMMAND = ("dkms", "status")

_LINE = re.compile(
    r"([A-Za-z0-9_.+-]+)(?:/|,\s*)([^,:\s]+)(?:,\s*([^,:\s]+),\s*([^,:\s]+))?:\s*([a-z]+)\b\s*(.*)"
)
_LONGEST_LINE = 1000

_NVIDIA = re.compile(r"nvidia(?:-(?:srv|open|current|tesla|legacy|[0-9]{3}(?:xx)?))*")
"""Ubuntu calls it `nvidia` or `nvidia-srv`, Debian `nvidia-current`, `nvidia-current-open`,
`nvidia-tesla-535` or `nvidia-legacy-390xx`, NVIDIA itself `nvidia` or `nvidia-open`."""


@dataclass(frozen=True, slots=True)
class DkmsModule:
    """A line.

    Attributes:
        kernel: None if the module is only known to DKMS (`added`), and built for no kernel.
        state: `added`, `built`, `installed`, `broken`.
        remark: what follows in brackets, such as a warning of differences.
    """

    name: str
    version: str
    kernel: str | None
    state: str
    remark: str | None

    @property
    def is_nvidia(self) -> bool:
        """Whether it is the driver's, and not a module beside it such as `nvidia-fs`."""
        return _NVIDIA.fullmatch(self.name) is not None


@dataclass(frozen=True, slots=True)
class Dkms:
    """All lines, and those that are none."""

    modules: tuple[DkmsModule, ...] = ()
    unknown: tuple[str, ...] = ()


def parse_dkms(text: str) -> Dkms:
    """Understand the status. Any text will do."""
    modules, unknown = [], []
    for raw in text.splitlines():
        line = raw.strip()
        found = _LINE.fullmatch(line[:_LONGEST_LINE])
        if found is not None:
            modules.append(
                DkmsModule(found[1], found[2], found[3], found[5], found[6].strip() or None)
            )
        elif line:
            unknown.append(line)
    return Dkms(tuple(modules), tuple(unknown))
