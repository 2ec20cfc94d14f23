"""NVIDIA devices on the PCI bus, which are there with or without a driver."""

from __future__ import annotations

import re
from dataclasses import dataclass

DEVICES = "/sys/bus/pci/devices"

_LINE = re.compile(r"(\S+) 0x([0-9a-f]{4}) 0x([0-9a-f]{6})(?: (\S+))?(?: (virtual))?")
NO_DRIVER = "-"
"""In place of the driver's name, where a device has none."""
_NVIDIA = "10de"
_DISPLAY_CLASS = "03"
"""PCI base class of display controllers; a GPU for computing is one too (PCI Code and ID
Assignment Specification, section 1.4)."""


@dataclass(frozen=True, slots=True)
class PciDevice:
    """A device, with its vendor and class as hexadecimal digits.

    Attributes:
        driver: the kernel's driver that it is bound to; None if it is not known.
        virtual: whether it is a part of another device that is given to a virtual machine.
    """

    address: str
    vendor: str
    device_class: str
    driver: str | None = None
    virtual: bool = False

    @property
    def is_nvidia_gpu(self) -> bool:
        """Whether it is a GPU of NVIDIA's."""
        return self.vendor == _NVIDIA and self.device_class.startswith(_DISPLAY_CLASS)

    @property
    def is_for_nvidia_driver(self) -> bool:
        """Whether the NVIDIA driver should report it: no other driver has it, such as vfio-pci."""
        return (
            self.is_nvidia_gpu and not self.virtual and self.driver in (None, NO_DRIVER, "nvidia")
        )


def comparable(bus_id: str) -> str:
    """Return an address in the form of sysfs: nvidia-smi writes the domain with eight digits."""
    domain, colon, rest = bus_id.strip().lower().partition(":")
    return f"{domain[-4:]}{colon}{rest}"


def parse_pci(text: str) -> tuple[PciDevice, ...]:
    """Return the devices, from lines of address, vendor, class and driver. Any text will do."""
    found = (_LINE.fullmatch(line.strip()[:200]) for line in text.splitlines())
    return tuple(
        PciDevice(each[1], each[2], each[3], each[4], each[5] is not None) for each in found if each
    )
