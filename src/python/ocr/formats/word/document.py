"""A DOCX file: its pages as Word last set them, with notes, comments, headers and footers."""

from __future__ import annotations

from dataclasses import dataclass, field

from ocr.formats.content import StructuredPage, WholeDocument
from ocr.formats.package import Package
from ocr.formats.pictures import PartPictures
from ocr.formats.relationships import Relationships
from ocr.formats.word.numbering import Numbering
from ocr.formats.word.runs import ParagraphText, RunReader
from ocr.formats.word.styles import Styles, numbering_of, outline_level
from ocr.formats.word.tables import cells_of, is_frame
from ocr.formats.xml import (
    Element,
    attribute,
    child,
    children,
    contents,
    descendants,
    is_on,
    local,
    parsed,
)
from ocr.layout.block import Part

_TWENTIETHS = 20.0
"""Of a point: the unit of lengths."""
_CONTAINERS = ("sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag", "body", "txbxContent")
_DELETED = ("del", "moveFrom")
_NOTE_KINDS = {"footnote": "footnotes", "endnote": "endnotes", "comment": "comments"}


@dataclass(slots=True)
class _Reading:
    """The pages so far, and what belongs to the one that is being made."""

    pages: list[StructuredPage] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    numbers: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def page(self) -> StructuredPage:
        """The page that is being made."""
        return self.pages[-1]


def open_word(package: Package, part: str) -> WholeDocument:
    """Return the pages of a DOCX file.

    Args:
        part: the name of the main document part.

    Raises:
        DocumentRefused: it is damaged, or beyond a limit.
        PageTooLarge: a page of it is.
    """
    return WholeDocument("docx", _Document(package, part).pages())


class _Document:
    def __init__(self, package: Package, part: str) -> None:
        self._package = package
        self._root = parsed(package.read(part), part)
        self._links = Relationships(package, part)
        self._styles = Styles(self._part("styles"))
        self._numbering = Numbering(self._part("numbering"))
        self._reading = _Reading()
        self._runs = RunReader(self._styles, self._reference, self._links)
        self._pictures = PartPictures(package, self._links)
        self._noted = {
            kind: _by_id(self._part(relation), kind) for kind, relation in _NOTE_KINDS.items()
        }

    def pages(self) -> list[StructuredPage]:
        """Return all pages."""
        self._next_page()
        self._running("header")
        for element in contents(child(self._root, "body")):
            self._block(element)
        self._end_page()
        self._running("footer")
        return self._reading.pages

    def _part(self, kind: str) -> Element | None:
        name = self._links.first(kind)
        if name is None or name not in self._package:
            return None
        return parsed(self._package.read(name), name)

    def _block(self, element: Element, part: Part = "body") -> None:
        name = local(element)
        if name == "p":
            self._paragraph(element, part)
        elif name == "tbl":
            self._table(element, part)
        elif name in _CONTAINERS or name in _DELETED:
            for inner in element:
                self._block(inner, "deleted" if name in _DELETED else part)
        elif name == "AlternateContent":
            for inner in contents(child(element, "Choice")):
                self._block(inner, part)

    def _paragraph(self, element: Element, part: Part) -> None:
        properties = child(element, "pPr")
        style = self._styles.get(attribute(child(properties, "pStyle"), "val"))
        breaks = is_on(child(properties, "pageBreakBefore"))
        if breaks:
            self._next_page()
        text = self._runs.read(element, hidden=style.hidden)
        # A break that Word has set comes before what follows it in its paragraph, most often first.
        begins = text.breaks and not breaks and _breaks_first(element)
        if begins:
            self._next_page()
        page = self._reading.page
        shown = "".join(text.shown)
        heading = outline_level(properties) or style.heading
        own = numbering_of(properties)
        name, level = own if own[0] else style.numbering
        marker = self._numbering.marker(name, level) if name else None
        if heading and shown.strip():
            numbered = f"{marker} {shown}" if marker and marker != "\u2022" else shown
            page.heading(numbered, heading, part, text.spans)
        elif marker is not None:
            page.item(shown, level + style.depth + 1, marker or "\u2022", part, text.spans)
        elif style.code:
            page.code(shown, part)
        else:
            page.paragraph(shown, part, text.spans)
        self._rest(text, part)
        if (text.breaks and not begins) or _ends_section(properties):
            self._next_page()

    def _rest(self, text: ParagraphText, part: Part) -> None:
        """Add what a paragraph has beside its text."""
        page = self._reading.page
        page.paragraph("".join(text.deleted), "deleted")
        page.paragraph("".join(text.hidden), "hidden")
        self._pictures.add(text.pictures, page, part)
        for box in text.boxes:
            self._block(box, part)
        self._reading.notes.extend(text.notes)

    def _table(self, element: Element, part: Part) -> None:
        if is_frame(element):
            for row in children(element, "tr"):
                for cell in children(row, "tc"):
                    for inner in cell:
                        self._block(inner, part)
            return
        rows, rest = cells_of(element, self._runs)
        self._reading.page.table(rows, part)
        for text in rest:
            self._rest(text, part)

    def _reference(self, kind: str, number: str) -> str:
        if kind == "comment":
            return ""
        numbers = self._reading.numbers
        return f"[{numbers.setdefault((kind, number), len(numbers) + 1)}]"

    def _next_page(self) -> None:
        """Begin a page, unless the one that has begun is still empty."""
        if self._reading.pages:
            if not self._reading.page.content:
                return
            self._end_page()
        page = StructuredPage(len(self._reading.pages) + 1, "a Word document")
        size = next(descendants(self._root, "pgSz"), None)
        page.width, page.height = _points(size, "w"), _points(size, "h")
        self._reading.pages.append(page)

    def _end_page(self) -> None:
        """Add the notes and the comments that the page refers to."""
        notes, self._reading.notes = self._reading.notes, []
        seen: set[tuple[str, str]] = set()
        while notes:
            for kind, number in notes:
                if (kind, number) in seen:
                    continue
                seen.add((kind, number))
                self._note(kind, number)
            # A note may have notes, or refer to itself.
            notes, self._reading.notes = self._reading.notes, []
            notes = [note for note in notes if note not in seen]

    def _note(self, kind: str, number: str) -> None:
        element = self._noted[kind].get(number)
        if element is None:
            return
        texts = [self._runs.read(found) for found in descendants(element, "p")]
        text = " ".join("".join(found.shown).strip() for found in texts).strip()
        for found in texts:
            self._reading.notes.extend(found.notes)
        if kind == "comment":
            author = attribute(element, "author")
            self._reading.page.paragraph(f"{author}: {text}" if author else text, "comment")
        else:
            self._reading.page.paragraph(f"{self._reference(kind, number)} {text}", "note")

    def _running(self, kind: str) -> None:
        """Add the headers or footers of the document: each text once, on the page that is open."""
        seen: set[str] = set()
        for name in self._links.of_kind(kind):
            if name not in self._package:
                continue
            root = parsed(self._package.read(name), name)
            for paragraph in descendants(root, "p"):
                text = "".join(self._runs.read(paragraph).shown).strip()
                if text and text not in seen:
                    seen.add(text)
                    self._reading.page.furniture("header" if kind == "header" else "footer", text)


def _by_id(root: Element | None, kind: str) -> dict[str, Element]:
    # Notes with a type are the lines that separate notes from the text.
    return {
        attribute(note, "id"): note
        for note in children(root, kind)
        if attribute(note, "type", "normal") == "normal"
    }


def _breaks_first(paragraph: Element) -> bool:
    """Return whether a page break comes before any text of a paragraph."""
    for element in descendants(paragraph, "t", "br", "lastRenderedPageBreak"):
        if local(element) == "t":
            if (element.text or "").strip():
                return False
        elif local(element) != "br" or attribute(element, "type") == "page":
            return True
    return False


def _ends_section(properties: Element | None) -> bool:
    section = child(properties, "sectPr")
    if section is None:
        return False
    return attribute(child(section, "type"), "val", "nextPage") != "continuous"


def _points(size: Element | None, name: str) -> float:
    value = attribute(size, name)
    return int(value) / _TWENTIETHS if value.isdecimal() and len(value) < 8 else 0.0
