"""The running kernel, and whether modules can be built for it."""

from __future__ import annotations

import re

COMMAND = ("uname", "-r")

PATH = "/proc/sys/kernel/osrelease"
"""The release again, from the kernel itself: a process may run under a personality, or with a
`uname` first on its path, that tells another one (personality(2), UNAME26)."""

_RELEASE = re.compile(r"[0-9]+\.[0-9]+[A-Za-z0-9.+_~-]*")


def parse_release(text: str) -> str | None:
    """Return the kernel's release, such as `6.8.0-52-generic`; None if it is none."""
    release = text.strip()
    return release if _RELEASE.fullmatch(release) else None


def headers_path(release: str) -> str:
    """Return the link that DKMS follows to the headers of a kernel."""
    return f"/lib/modules/{release}/build"
