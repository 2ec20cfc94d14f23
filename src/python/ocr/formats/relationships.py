"""How parts of an office document refer to each other, and to what is outside (ISO/IEC 29500-2)."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from ocr.errors import DocumentBroken
from ocr.formats.package import Package, joined
from ocr.formats.xml import attribute, children, parsed


@dataclass(frozen=True, slots=True)
class Relationship:
    """A reference.

    Attributes:
        kind: the last word of its type, such as `image`.
        target: the name of a part; what is outside for an external one, which is never fetched.
    """

    kind: str
    target: str
    external: bool


class Relationships:
    """The references of one part, by their ids."""

    def __init__(self, package: Package, part: str) -> None:
        folder, name = posixpath.split(part)
        path = posixpath.join(folder, "_rels", f"{name}.rels")
        self._known: dict[str, Relationship] = {}
        if path not in package:
            return
        for found in children(parsed(package.read(path), path), "Relationship"):
            external = attribute(found, "TargetMode").lower() == "external"
            target = attribute(found, "Target")
            self._known[attribute(found, "Id")] = Relationship(
                kind=attribute(found, "Type").rpartition("/")[2],
                target=target if external else joined(folder, target),
                external=external,
            )

    def get(self, name: str) -> Relationship | None:
        """Return the reference with an id."""
        return self._known.get(name)

    def of_kind(self, kind: str) -> Iterator[str]:
        """Yield the parts that are referred to as something, such as `comments`."""
        for found in self._known.values():
            if found.kind == kind and not found.external:
                yield found.target

    def first(self, kind: str) -> str | None:
        """Return the first of those; None if there is none."""
        return next(self.of_kind(kind), None)


def is_address(reference: Relationship) -> bool:
    """Return whether a reference leads to a page of the web, or to somebody's mail."""
    return reference.external and reference.target.lower().startswith(
        ("http://", "https://", "mailto:")
    )


def main_part(package: Package) -> str:
    """Return the name of the part that is the document itself.

    Raises:
        DocumentBroken: none is named.
    """
    found = Relationships(package, "").first("officeDocument")
    if found is None:
        raise DocumentBroken("it is an archive and names no document in it")
    return found
