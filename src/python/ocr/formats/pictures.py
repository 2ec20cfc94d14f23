"""Images inside an office document."""

from __future__ import annotations

from collections.abc import Iterable

from ocr.errors import DocumentBroken
from ocr.formats.content import StructuredPage
from ocr.formats.package import Package
from ocr.formats.relationships import Relationships
from ocr.layout.block import Part

_MAX_PICTURE = 64 * 1024 * 1024
"""Bytes."""


class PartPictures:
    """The images that one part refers to. What lies outside of the file is never fetched."""

    def __init__(self, package: Package, links: Relationships) -> None:
        self._package = package
        self._links = links

    def add(
        self, references: Iterable[tuple[str, bool]], page: StructuredPage, part: Part = "body"
    ) -> None:
        """Add images to a page.

        Args:
            references: relationship ids, each with whether it leads outside.
        """
        for name, outside in references:
            found = self._links.get(name)
            if outside or (found is not None and found.external):
                page.notices["external_refused"] += 1
                continue
            if found is None:
                continue
            try:
                page.picture(self._package.read(found.target, _MAX_PICTURE), part)
            except DocumentBroken:
                page.notices["picture_unreadable"] += 1
