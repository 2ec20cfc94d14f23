"""A PPTX file: a page for each slide, with its speaker notes and comments."""

from __future__ import annotations

from ocr.errors import DocumentBroken, PageBroken
from ocr.formats.content import StructuredDocument, StructuredPage
from ocr.formats.package import Package
from ocr.formats.pictures import PartPictures
from ocr.formats.relationships import Relationships
from ocr.formats.slides.shapes import ShapeReader, body_of
from ocr.formats.xml import attribute, child, children, descendants, parsed
from ocr.layout.block import Part

_EMU = 12_700.0
"""English metric units in a point."""


class Presentation(StructuredDocument):
    """An open PPTX file.

    Args:
        part: the name of the main part.
    """

    format = "pptx"

    def __init__(self, package: Package, part: str) -> None:
        self._package = package
        root = parsed(package.read(part), part)
        links = Relationships(package, part)
        self._slides: list[str] = []
        for listed in children(child(root, "sldIdLst"), "sldId"):
            # Two attributes have the local name "id"; that of the relationship is in a namespace.
            name = next((str(v) for k, v in listed.attrib.items() if k.endswith("}id")), "")
            found = links.get(name)
            if found is not None and not found.external:
                self._slides.append(found.target)
        self.page_count = len(self._slides)
        size = child(root, "sldSz")
        self._size = (_points(attribute(size, "cx")), _points(attribute(size, "cy")))

    def page(self, number: int) -> StructuredPage:
        """Return a slide.

        Raises:
            PageBroken: it is missing or damaged.
            PageTooLarge: it has more than a page may have.
        """
        part = self._slides[number - 1]
        page = StructuredPage(number, "a slide", width=self._size[0], height=self._size[1])
        try:
            root = parsed(self._package.read(part), part)
            hidden = attribute(root, "show", "1") in ("0", "false")
            self._read(root, part, page, "hidden" if hidden else "body")
        except DocumentBroken as error:
            raise PageBroken(str(error)) from None
        return page

    def _read(self, root: object, part: str, page: StructuredPage, kind: Part) -> None:
        links = Relationships(self._package, part)
        reader = ShapeReader(self._package, links, PartPictures(self._package, links), page)
        reader.read(child(root, "cSld", "spTree"), kind)
        for name in links.of_kind("notesSlide"):
            if name in self._package:
                notes = parsed(self._package.read(name), name)
                for text in body_of(child(notes, "cSld", "spTree")):
                    page.paragraph(text, "hidden" if kind == "hidden" else "speaker_notes")
        for name in links.of_kind("comments"):
            if name in self._package:
                for comment in descendants(parsed(self._package.read(name), name), "cm"):
                    texts = descendants(comment, "text", "t")
                    page.paragraph(" ".join(found.text or "" for found in texts), "comment")


def _points(emu: str) -> float:
    return int(emu) / _EMU if emu.isdecimal() and len(emu) < 12 else 0.0
