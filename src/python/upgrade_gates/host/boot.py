"""This start of the machine: its id, which is new after every reboot, and whether one is due."""

from __future__ import annotations

import re

BOOT_ID = "/proc/sys/kernel/random/boot_id"
REBOOT_REQUIRED = "/run/reboot-required"
REBOOT_REQUIRED_BY = "/run/reboot-required.pkgs"

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def parse_boot_id(text: str) -> str | None:
    """Return the id of this start; None if the text is none."""
    found = _UUID.fullmatch(text.strip())
    return found[0].lower() if found else None


def parse_reboot_packages(text: str) -> tuple[str, ...]:
    """Return the packages that wait for a reboot, each once. Any text will do."""
    return tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
