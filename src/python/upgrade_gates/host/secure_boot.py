"""Secure Boot: whether the firmware refuses a kernel module that nobody it trusts has signed.

Two sources: `mokutil --sb-state`, and the variable of the firmware that it reads. The variable's
first four bytes are its attributes, the fifth is the value (UEFI specification, section 3.3; Linux,
Documentation/filesystems/efivarfs.rst).
"""

from __future__ import annotations

import re
from enum import StrEnum

COMMAND = ("mokutil", "--sb-state")
VARIABLE = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
FIRMWARE = "/sys/firmware/efi"

_STATE = re.compile(r"^\s*SecureBoot (enabled|disabled)", re.MULTILINE)
_UNSUPPORTED = re.compile(r"EFI variables are not supported|doesn'?t support Secure Boot")


class SecureBoot(StrEnum):
    """What is known of Secure Boot."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    UNSUPPORTED = "not supported: this machine does not start by UEFI"
    UNKNOWN = "unknown"


def parse_mokutil(text: str) -> SecureBoot:
    """Understand `mokutil --sb-state`. Any text will do.

    Where the boot loader was told to check nothing, the state is still the firmware's: a module
    that is signed does no harm there.
    """
    found = _STATE.search(text)
    if found is not None:
        return SecureBoot(found[1])
    return SecureBoot.UNSUPPORTED if _UNSUPPORTED.search(text) else SecureBoot.UNKNOWN


def parse_variable(digits: str) -> SecureBoot:
    """Understand the firmware's variable, given as hexadecimal digits. Any text will do."""
    match digits.strip()[8:]:
        case "01":
            return SecureBoot.ENABLED
        case "00":
            return SecureBoot.DISABLED
        case _:
            return SecureBoot.UNKNOWN


def secure_boot(mokutil: SecureBoot, variable: SecureBoot, *, uefi: bool | None) -> SecureBoot:
    """Return what both sources say together; two that contradict each other say nothing.

    Args:
        uefi: whether the machine started by UEFI; None if that is not known.
    """
    if uefi is False:
        return SecureBoot.UNSUPPORTED
    said = {mokutil, variable} - {SecureBoot.UNKNOWN}
    return said.pop() if len(said) == 1 else SecureBoot.UNKNOWN
