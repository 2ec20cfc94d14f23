"""Secure Boot: whether the firmware refuses a kernel module that nobody it trusts has signed.

Two sources: `mokutil --sb-state`, and the variable of the firmware that it reads. The variable's
first four bytes are its attributes, the fifth is the value (UEFI specification, section 3.3; Linux,
Documentation/filesystems/efivarfs.rst).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

COMMAND = ("mokutil", "--sb-state")
VARIABLE = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
FIRMWARE = "/sys/firmware/efi"

_STATE = re.compile(r"^\s*SecureBoot (enabled|disabled)", re.MULTILINE)
_UNSUPPORTED = re.compile(r"EFI variables are not supported|doesn'?t support Secure Boot")
_SHIM_LETS_THROUGH = re.compile(r"validation is disabled in shim", re.IGNORECASE)


class SecureBoot(StrEnum):
    """What is known of Secure Boot."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    UNSUPPORTED = "not supported: this machine does not start by UEFI"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class MokState:
    """What `mokutil` says.

    Attributes:
        shim_lets_through: the boot loader checks nothing although the firmware does.
    """

    state: SecureBoot
    shim_lets_through: bool = False


def parse_mokutil(text: str) -> MokState:
    """Understand `mokutil --sb-state`. Any text will do."""
    found = _STATE.search(text)
    if found is not None:
        return MokState(SecureBoot(found[1]), _SHIM_LETS_THROUGH.search(text) is not None)
    unsupported = _UNSUPPORTED.search(text) is not None
    return MokState(SecureBoot.UNSUPPORTED if unsupported else SecureBoot.UNKNOWN)


def parse_variable(digits: str) -> SecureBoot:
    """Understand the firmware's variable, given as hexadecimal digits. Any text will do."""
    match digits.strip()[8:]:
        case "01":
            return SecureBoot.ENABLED
        case "00":
            return SecureBoot.DISABLED
        case _:
            return SecureBoot.UNKNOWN


def secure_boot(mokutil: MokState, variable: SecureBoot, *, uefi: bool | None) -> SecureBoot:
    """Return what both sources say together; two that contradict each other say nothing.

    Args:
        uefi: whether the machine started by UEFI; None if that is not known.
    """
    if uefi is False:
        return SecureBoot.UNSUPPORTED
    said = {mokutil.state, variable} - {SecureBoot.UNKNOWN}
    return said.pop() if len(said) == 1 else SecureBoot.UNKNOWN
