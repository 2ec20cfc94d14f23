"""The lock format: uv's hashed requirements under a header that says what they were made from."""

from __future__ import annotations

import datetime
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from querylake_build.locks.errors import LockDrifted, LockError

_HEADER = re.compile(r"^# (?P<key>as-of|python|input-sha256): (?P<value>\S+)$")
_PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)", re.M
)


@dataclass(frozen=True)
class LockHeader:
    """What a lock was made from.

    Attributes:
        as_of: distributions published after this day were not considered.
        python: the minor version of CPython that it was resolved for.
        input_sha256: digest of the `.in` file and its overrides.
    """

    as_of: datetime.date
    python: str
    input_sha256: str

    def render(self) -> str:
        """Return the comment lines that open a lock."""
        return (
            "# Made by build-support/lock; do not edit.\n"
            f"# as-of: {self.as_of.isoformat()}\n"
            f"# python: {self.python}\n"
            f"# input-sha256: {self.input_sha256}\n"
        )


def read_header(lock: Path) -> LockHeader:
    """Read a lock's header. Raises `LockError` if it has none or it is damaged."""
    fields: dict[str, str] = {}
    for line in lock.read_text().splitlines():
        if not line.startswith("#"):
            break
        if match := _HEADER.match(line):
            fields[match["key"]] = match["value"]
    try:
        return LockHeader(
            as_of=datetime.date.fromisoformat(fields["as-of"]),
            python=fields["python"],
            input_sha256=fields["input-sha256"],
        )
    except (KeyError, ValueError) as error:
        raise LockError(
            f"{lock}: no readable header ({error}); make it again with build-support/lock"
        ) from error


def read_pins(lock: Path) -> dict[str, str]:
    """Return version by distribution name (PEP 503 form), e.g. `{"aiohttp": "3.14.5"}`."""
    return {normalise(pin["name"]): pin["version"] for pin in _PIN.finditer(lock.read_text())}


def normalise(name: str) -> str:
    """Return a distribution's name in the form of PEP 503: lower case, runs of `-_.` as one `-`."""
    return re.sub(r"[-_.]+", "-", name).lower()


def digest_inputs(*files: Path) -> str:
    """Return the SHA-256 over the files that exist, in order."""
    digest = hashlib.sha256()
    for file in files:
        if file.exists():
            digest.update(file.read_bytes())
    return digest.hexdigest()


def require_same(name: str, locked: dict[str, str], resolved: dict[str, str]) -> None:
    """Raise `LockDrifted`, naming every difference, unless both have the same versions."""
    changes = [
        f"{package}: {locked.get(package, 'absent')} locked, "
        f"{resolved.get(package, 'absent')} resolved"
        for package in sorted(locked.keys() | resolved.keys())
        if locked.get(package) != resolved.get(package)
    ]
    if changes:
        raise LockDrifted(f"{name}: the lock has drifted from its input: " + "; ".join(changes))
