"""What a lock says: its header, its pins, their hashes, and what should not be in it.

The format is pip's requirements with hashes, under a header that `build-support/lock` writes.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from pathlib import Path

from upgrade_gates.errors import ArtefactUnusable

_HEADER = re.compile(r"# (as-of|python|input-sha256): (\S+)")
_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)"
    r"(?:\s*;\s*(?P<marker>[^\\]*))?"
)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})\b")
_NAME_RUNS = re.compile(r"[-_.]+")


@dataclass(frozen=True)
class Pin:
    """One distribution of a lock.

    Attributes:
        name: in the form of PEP 503.
        marker: when it is installed, as PEP 508 has it; empty for always.
        hashes: SHA-256 of each file that may be installed.
    """

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]


@dataclass(frozen=True)
class LockFile:
    """A lock.

    Attributes:
        as_of: nothing published after this day was considered; None if the lock does not say.
        input_sha256: digest of what it was made from; None if the lock does not say.
        strangers: requirements that are not pins, such as addresses and editable installs.
    """

    path: Path
    as_of: datetime.date | None
    input_sha256: str | None
    pins: tuple[Pin, ...]
    strangers: tuple[str, ...]

    @property
    def name(self) -> str:
        """The stack's name."""
        return self.path.stem

    def versions(self) -> dict[str, str]:
        """Return version by name."""
        return {pin.name: pin.version for pin in self.pins}


def normalised(name: str) -> str:
    """Return a distribution's name in the form of PEP 503."""
    return _NAME_RUNS.sub("-", name).lower()


def read_lock(path: Path) -> LockFile:
    """Read a lock.

    Raises:
        ArtefactUnusable: it cannot be read, or pins nothing.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ArtefactUnusable(f"the lock {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ArtefactUnusable(f"the lock {path} is not a text file") from None
    header: dict[str, str] = dict(_HEADER.findall(text))
    requirements = _requirements(text)
    pins = [pin for pin in map(_pin, requirements) if pin is not None]
    if not pins:
        raise ArtefactUnusable(
            f"the lock {path} pins nothing; name a file that build-support/lock made"
        )
    return LockFile(
        path=path,
        as_of=_date(header.get("as-of")),
        input_sha256=header.get("input-sha256"),
        pins=tuple(pins),
        strangers=tuple(each for each in requirements if _pin(each) is None),
    )


def _requirements(text: str) -> list[str]:
    """Return each requirement with its options, as one line."""
    kept = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = kept.replace("\\\n", " ")
    return [" ".join(line.split()) for line in joined.splitlines() if line.strip()]


def _pin(requirement: str) -> Pin | None:
    found = _PIN.match(requirement)
    if found is None:
        return None
    marker = (found["marker"] or "").partition(" --hash")[0].strip()
    return Pin(
        name=normalised(found["name"]),
        version=found["version"],
        marker=marker,
        hashes=tuple(_HASH.findall(requirement)),
    )


def _date(text: str | None) -> datetime.date | None:
    try:
        return None if text is None else datetime.date.fromisoformat(text)
    except ValueError:
        return None
