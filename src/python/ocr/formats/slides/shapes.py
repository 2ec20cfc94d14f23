"""The shapes of a slide: text, tables, charts, diagrams and pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ocr.formats.content import StructuredPage
from ocr.formats.package import Package
from ocr.formats.pictures import PartPictures
from ocr.formats.relationships import Relationships, is_address
from ocr.formats.slides.charts import chart_rows, chart_title
from ocr.formats.xml import Element, attribute, child, children, descendants, local, parsed
from ocr.layout.block import Part, Span

_TITLES = ("title", "ctrTitle")
_LISTED = ("", "body", "obj")
"""Kinds of placeholders whose paragraphs have bullets unless they say otherwise."""
_UNREAD = ("sldNum", "dt", "sldImg")
_ROW = 180_000
"""English metric units, half a centimetre: shapes whose tops differ less are side by side."""


class ShapeReader:
    """Adds the shapes of one slide to its page."""

    def __init__(
        self, package: Package, links: Relationships, pictures: PartPictures, page: StructuredPage
    ) -> None:
        self._package = package
        self._links = links
        self._pictures = pictures
        self._page = page

    def read(self, tree: Element | None, part: Part) -> None:
        """Add all shapes of a tree: the title, then the others from the top down."""
        for shape in _in_order(tree):
            self._shape(shape, part)

    def _shape(self, shape: Element, part: Part) -> None:
        if _is_hidden(shape):
            part = "hidden"
        match local(shape):
            case "sp":
                self._text(shape, part)
                self._images(shape, part)
            case "grpSp":
                self.read(shape, part)
            case "graphicFrame":
                self._frame(shape, part)
            case "pic":
                self._images(shape, part)
            case "AlternateContent":
                choice = child(shape, "Choice")
                self.read(choice if choice is not None else child(shape, "Fallback"), part)

    def _text(self, shape: Element, part: Part) -> None:
        placeholder = _placeholder(shape)
        if placeholder in _UNREAD:
            return
        paragraphs = list(children(child(shape, "txBody"), "p"))
        if placeholder in _TITLES:
            self._page.heading(" ".join(text_of(found) for found in paragraphs), 1, part)
            return
        if placeholder in ("hdr", "ftr"):
            kind = "header" if placeholder == "hdr" else "footer"
            for found in paragraphs:
                self._page.furniture("header" if kind == "header" else "footer", text_of(found))
            return
        listed = placeholder in _LISTED and len(paragraphs) > 1
        count = 0
        for found in paragraphs:
            text, properties = text_of(found), child(found, "pPr")
            numbered = child(properties, "buAutoNum") is not None
            bullet = numbered or child(properties, "buChar") is not None
            if not text.strip():
                continue
            if bullet or (listed and child(properties, "buNone") is None):
                count += 1
                level = attribute(properties, "lvl", "0")
                marker = f"{count}." if numbered else "\u2022"
                depth = int(level) + 1 if level.isdecimal() else 1
                self._page.item(text, depth, marker, part, self._spans(found))
            else:
                count = 0
                self._page.paragraph(text, part, self._spans(found))

    def _spans(self, paragraph: Element) -> list[Span]:
        spans = []
        for run in descendants(paragraph, "r", "br", "fld"):
            text = "\n" if local(run) == "br" else text_of(run)
            properties = child(run, "rPr")
            found = self._links.get(attribute(child(properties, "hlinkClick"), "id"))
            address = found.target if found is not None and is_address(found) else ""
            bold, italic = (attribute(properties, name) in ("1", "true") for name in ("b", "i"))
            spans.append(Span(text, address, bold, italic))
        return spans

    def _frame(self, frame: Element, part: Part) -> None:
        for data in descendants(frame, "tbl", "chart", "relIds", "blip"):
            match local(data):
                case "tbl":
                    self._table(data, part)
                case "chart":
                    self._chart(attribute(data, "id"), part)
                case "relIds":
                    self._diagram(attribute(data, "dm"), part)
                case "blip":
                    self._pictures.add(_references(data), self._page, part)

    def _table(self, table: Element, part: Part) -> None:
        rows = []
        for row in children(table, "tr"):
            cells = []
            for cell in children(row, "tc"):
                merged = attribute(cell, "hMerge") or attribute(cell, "vMerge")
                texts = [text_of(found) for found in children(child(cell, "txBody"), "p")]
                cells.append("" if merged in ("1", "true") else " ".join(filter(None, texts)))
            rows.append(cells)
        if rows and any(rows):
            self._page.table(rows, part)

    def _chart(self, name: str, part: Part) -> None:
        found = self._links.get(name)
        if found is None or found.external or found.target not in self._package:
            return
        chart = parsed(self._package.read(found.target), found.target)
        self._page.paragraph(chart_title(chart), part)
        self._page.table(chart_rows(chart), part)

    def _diagram(self, name: str, part: Part) -> None:
        found = self._links.get(name)
        if found is None or found.external or found.target not in self._package:
            return
        for text in descendants(parsed(self._package.read(found.target), found.target), "p"):
            self._page.item(text_of(text), 1, part=part)

    def _images(self, shape: Element, part: Part) -> None:
        for blip in descendants(shape, "blip"):
            self._pictures.add(_references(blip), self._page, part)


def text_of(paragraph: Element) -> str:
    """Return the text of a paragraph of DrawingML."""
    parts = []
    for found in descendants(paragraph, "t", "br"):
        parts.append(found.text or "" if local(found) == "t" else "\n")
    return "".join(parts)


def body_of(tree: Element | None) -> Iterator[str]:
    """Yield the paragraphs of a notes page: its body, without the slide's picture and number."""
    for shape in children(tree, "sp"):
        if _placeholder(shape) in ("body", ""):
            for paragraph in children(child(shape, "txBody"), "p"):
                yield text_of(paragraph)


def _in_order(tree: Element | None) -> list[Element]:
    shapes = [] if tree is None else [shape for shape in tree if isinstance(shape.tag, str)]
    places = [_place(shape) for shape in shapes]
    titles = [shape for shape in shapes if _placeholder(shape) in _TITLES]
    others = [
        (place, shape)
        for place, shape in zip(places, shapes, strict=True)
        if _placeholder(shape) not in _TITLES
    ]
    # A placeholder without a place of its own stands where its layout says, which nobody looks up:
    # then the order of the file is all that is known.
    if all(place is not None for place, shape in others if local(shape) in _PLACED):
        return [*titles, *(shape for _, shape in _by_rows(others))]
    return [*titles, *(shape for _, shape in others)]


_PLACED = ("sp", "pic", "graphicFrame", "grpSp")


def _by_rows(
    shapes: Sequence[tuple[tuple[int, int] | None, Element]],
) -> list[tuple[tuple[int, int] | None, Element]]:
    return sorted(
        shapes, key=lambda found: (found[0][0] // _ROW, found[0][1]) if found[0] else (0, 0)
    )


def _place(shape: Element) -> tuple[int, int] | None:
    """Return how far a shape is from the top and the left of its slide."""
    for properties in ("spPr", "grpSpPr", None):
        frame = child(shape, properties, "xfrm") if properties else child(shape, "xfrm")
        offset = child(frame, "off")
        if offset is not None:
            try:
                return int(attribute(offset, "y", "0")), int(attribute(offset, "x", "0"))
            except ValueError:
                return None
    return None


def _placeholder(shape: Element) -> str | None:
    """Return the kind of a placeholder, "" for one without; None for another shape."""
    for outer in ("nvSpPr", "nvPicPr", "nvGraphicFramePr"):
        found = child(shape, outer, "nvPr", "ph")
        if found is not None:
            return attribute(found, "type")
    return None


def _is_hidden(shape: Element) -> bool:
    for outer in shape:
        if local(outer).startswith("nv"):
            return attribute(child(outer, "cNvPr"), "hidden") in ("1", "true")
    return False


def _references(blip: Element) -> list[tuple[str, bool]]:
    embedded, linked = attribute(blip, "embed"), attribute(blip, "link")
    return [(embedded or linked, not embedded)] if embedded or linked else []
