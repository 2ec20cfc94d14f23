"""Which kind of machine this is, where that decides whose the driver is.

On most hosts the driver is the distribution's or NVIDIA's, and can be changed on the host. Under
WSL it is Windows's (https://docs.nvidia.com/cuda/wsl-user-guide/), and on a Jetson it belongs to
JetPack (https://docs.nvidia.com/jetson/archives/, "Software Packages and the Update Mechanism").
"""

from __future__ import annotations

import re
from enum import StrEnum

TEGRA_RELEASE = "/etc/nv_tegra_release"
MODEL = "/proc/device-tree/model"
COMPATIBLE = "/proc/device-tree/compatible"

_WSL = re.compile(r"microsoft|WSL", re.IGNORECASE)
_JETSON = re.compile(r"jetson|nvidia,tegra", re.IGNORECASE)


class Platform(StrEnum):
    """A kind of machine."""

    LINUX = "a Linux host"
    WSL = "the Windows Subsystem for Linux"
    JETSON = "a Jetson"

    @property
    def instead(self) -> str | None:
        """Return what to do where the driver cannot be changed by packages of the distribution."""
        match self:
            case Platform.WSL:
                return (
                    "the driver is the one of Windows: upgrade it there, run `wsl --shutdown`, and "
                    "install no Linux driver in here"
                )
            case Platform.JETSON:
                return (
                    "its driver is part of JetPack: upgrade that (its nvidia-l4t packages, or by "
                    "flashing), and use NVIDIA's builds of torch and vLLM for it"
                )
            case Platform.LINUX:
                return None


def find_platform(release: str | None, tegra_release: str, model: str, compatible: str) -> Platform:
    """Return the kind of machine. Any text will do.

    Args:
        release: of the running kernel.
        tegra_release: what `/etc/nv_tegra_release` holds; empty where it is missing.
        model: of the board, from the device tree.
        compatible: boards and chips that it is like, from the device tree.
    """
    if release is not None and _WSL.search(release):
        return Platform.WSL
    if tegra_release.strip() or _JETSON.search(model) or _JETSON.search(compatible):
        return Platform.JETSON
    return Platform.LINUX
