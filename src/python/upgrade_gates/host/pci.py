"""NVIDIA devices on the PCI bus, which are there with or without a driver."""

from __future__ import annotations

import re
from dataclasses import dataclass

DEVICES = "/sys/bus/pci/devices"

_LINE = re.compile(r"(\S+) 0x([0-9a-f]{4}) 0x([0-9a-f]{6})")
_NVIDIA = "10de"
_DISPLAY_CLASS = "03"
"""PCI base class of display controllers; a GPU for computing is one too (PCI Code and ID
Assignment Specification, section 1.4)."""


@dataclass(frozen=True, slots=True)
class PciDevice:
    """A device, with its vendor and class as hexadecimal digits."""

    address: str
    vendor: str
    device_class: str

    @property
    def is_nvidia_gpu(self) -> bool:
        """Whether it is a GPU of NVIDIA's."""
        return self.vendor == _NVIDIA and self.device_class.startswith(_DISPLAY_CLASS)


def parse_pci(text: str) -> tuple[PciDevice, ...]:
    """Return the devices, from lines of address, vendor and class. Any text will do."""
    found = (_LINE.fullmatch(line.strip()[:200]) for line in text.splitlines())
    return tuple(PciDevice(each[1], each[2], each[3]) for each in found if each)
