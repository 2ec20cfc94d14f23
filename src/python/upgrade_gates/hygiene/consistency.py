"""`pip check` without pip: does each distribution of a PEX find what it requires?

Read from the metadata inside the PEX, so nothing is installed, unpacked or run.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from upgrade_gates.errors import ArtefactUnusable
from upgrade_gates.lock_file import normalised

METADATA = ".dist-info/METADATA"
_DEPS = ".deps/"


@dataclass(frozen=True)
class Distribution:
    """What a distribution says of itself.

    Attributes:
        requires: as PEP 508 has it.
        licence: an SPDX expression where it states one (PEP 639), else what it calls its licence.
        spdx: whether `licence` is an SPDX expression.
    """

    name: str
    version: str
    requires: tuple[str, ...]
    licence: str | None = None
    spdx: bool = False


@dataclass(frozen=True)
class Unmet:
    """A requirement that is not met.

    Attributes:
        found: the version that is there; None if there is none.
    """

    distribution: str
    requirement: str
    found: str | None

    def __str__(self) -> str:
        there = f"{self.found} is there" if self.found else "it is not there"
        return f"{self.distribution} requires {self.requirement}, and {there}"


def unmet(distributions: Mapping[str, Distribution], python: str) -> list[Unmet]:
    """Return every requirement that is not met.

    Args:
        distributions: by name in the form of PEP 503.
        python: the minor version to judge markers for, e.g. `3.11`; the platform is this one.
    """
    return [
        Unmet(each.name, str(requirement), found.version if found else None)
        for each in distributions.values()
        for requirement in applicable(each, python)
        if (found := distributions.get(normalised(requirement.name))) is None
        or not requirement.specifier.contains(found.version, prereleases=True)
    ]


def applicable(distribution: Distribution, python: str) -> Iterator[Requirement]:
    """Give the requirements that hold without extras; a PEX does not say which were asked for."""
    environment = {"extra": "", "python_version": python, "python_full_version": f"{python}.0"}
    for text in distribution.requires:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue  # pip does not take it for a requirement either
        if requirement.marker is None or requirement.marker.evaluate(environment):
            yield requirement


def read_distributions(pex: Path) -> dict[str, Distribution]:
    """Return what is in a PEX, by name.

    Raises:
        ArtefactUnusable: it cannot be read, or a distribution has no metadata.
    """
    try:
        found = [_parse(text) for text in _metadata(pex)]
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise ArtefactUnusable(f"{pex} cannot be read: {error}; build it again") from None
    return {normalised(each.name): each for each in found}


def _metadata(pex: Path) -> Iterator[str]:
    """Give the metadata of each distribution: unpacked in a zip's .deps, or zips in a folder's."""
    if not pex.is_dir():
        with zipfile.ZipFile(pex) as archive:
            yield from _in_archive(archive)
        return
    for wheel in sorted((pex / _DEPS).iterdir()):
        if wheel.is_dir():
            for file in wheel.glob(f"*{METADATA}"):
                yield file.read_text(encoding="utf-8", errors="replace")
        else:
            with zipfile.ZipFile(wheel) as archive:
                yield from _in_archive(archive)


def _in_archive(archive: zipfile.ZipFile) -> Iterator[str]:
    for name in archive.namelist():
        inner = name.removeprefix(_DEPS)
        depth = inner.count("/")
        # Vendored copies lie deeper, and are nobody's distributions.
        if name.endswith(METADATA) and depth <= (2 if inner != name else 1):
            yield io.TextIOWrapper(io.BytesIO(archive.read(name)), "utf-8", "replace").read()


def _parse(text: str) -> Distribution:
    message = Parser().parsestr(text, headersonly=True)
    expression = message["License-Expression"]
    return Distribution(
        licence=str(expression) if expression else _licence(message),
        spdx=bool(expression),
        name=str(message["Name"]),
        version=str(message["Version"]),
        requires=tuple(str(each) for each in message.get_all("Requires-Dist", [])),
    )


_LICENCE_CLASSIFIER = "License :: "
_LONGEST_NAME = 80
"""What is longer than this in `License` is the licence's text, and no name of it."""


def _licence(message: Message) -> str | None:
    """Return what a distribution calls its licence, from its field or its classifiers."""
    stated = str(message["License"] or "").strip()
    if stated and len(stated) <= _LONGEST_NAME and "\n" not in stated and stated != "UNKNOWN":
        return stated
    names = [
        str(each).rpartition(" :: ")[2]
        for each in message.get_all("Classifier", [])
        if str(each).startswith(_LICENCE_CLASSIFIER)
    ]
    return " or ".join(names) or None
