"""The text of one paragraph: shown, deleted by a tracked change, and hidden, each by itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ocr.formats.relationships import Relationships, is_address
from ocr.formats.word.styles import Styles
from ocr.formats.xml import Element, attribute, child, contents, is_on, local
from ocr.layout.block import Span

_DELETED = ("del", "moveFrom")
_SIGNS = {
    "tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "softHyphen": "", "ptab": "\t",
}  # fmt: skip
_SYMBOLS = {
    # Of the font Wingdings, as far as forms and lists use them.
    "F0FE": "\u2612", "F0A8": "\u2610", "F06F": "\u2610", "F0FC": "\u2713", "F0FB": "\u2717",
    "F0E0": "\u2192", "F0DF": "\u2190", "F04A": "\u263a", "F0B7": "\u2022", "F0A7": "\u25aa",
}  # fmt: skip


@dataclass(slots=True)
class ParagraphText:
    """What a paragraph has.

    Attributes:
        shown: its text.
        deleted: by a tracked change that nobody has accepted yet.
        hidden: text that is not shown.
        pictures: relationship ids of its images, and whether each is linked from outside.
        boxes: text boxes anchored in it.
        notes: kinds and ids of the notes and comments that it refers to.
        breaks: whether a new page begins in it or after it.
        spans: the text that is shown, in pieces.
        instruction: of the field whose result is being read.
        link: where what is being read leads to.
    """

    shown: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    pictures: list[tuple[str, bool]] = field(default_factory=list)
    boxes: list[Element] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    breaks: bool = False
    spans: list[Span] = field(default_factory=list)
    instruction: str = ""
    link: str = ""


_HYPERLINK = re.compile(r'\s*HYPERLINK\s+"((?:https?://|mailto:)[^"]{1,2000})"', re.I)

Reference = Callable[[str, str], str]
"""Returns what stands in the text for a note, by its kind and id."""


class RunReader:
    """Reads paragraphs of one document."""

    def __init__(self, styles: Styles, reference: Reference, links: Relationships) -> None:
        self._styles = styles
        self._reference = reference
        self._links = links

    def read(self, paragraph: Element, *, hidden: bool = False) -> ParagraphText:
        """Return what a paragraph has.

        Args:
            hidden: whether its style hides it.
        """
        text = ParagraphText()
        for inner in paragraph:
            self._walk(inner, text, text.hidden if hidden else text.shown)
        return text

    def _walk(self, element: Element, text: ParagraphText, into: list[str]) -> None:
        name = local(element)
        match name:
            case "pPr" | "rPr" | "sdtPr" | "sdtEndPr" | "delInstrText" | "rt":
                return
            case "instrText":
                text.instruction += element.text or ""
            case "fldChar":
                _field(attribute(element, "fldCharType"), text)
            case "hyperlink":
                before, text.link = text.link, self._address(element)
                for inner in element:
                    self._walk(inner, text, into)
                text.link = before
            case "r":
                self._run(element, text, self._target(element, text, into))
            case "t" | "delText":
                into.append(element.text or "")
            case "br" if attribute(element, "type") == "page":
                text.breaks = True
            case "lastRenderedPageBreak":
                text.breaks = True
            case "sym":
                into.append(_SYMBOLS.get(attribute(element, "char").upper(), ""))
            case "footnoteReference" | "endnoteReference" | "commentReference":
                kind, number = name.removesuffix("Reference"), attribute(element, "id")
                text.notes.append((kind, number))
                into.append(self._reference(kind, number))
            case "blip":
                text.pictures.extend(_pictures(element, "embed", "link"))
            case "imagedata":
                text.pictures.extend(_pictures(element, "id", "href"))
            case "txbxContent":
                text.boxes.append(element)
            case "AlternateContent":
                # The same thing twice: as new programs draw it, and for old ones.
                best = child(element, "Choice")
                best = child(element, "Fallback") if best is None else best
                for inner in contents(best):
                    self._walk(inner, text, into)
            case _ if name in _SIGNS:
                into.append(_SIGNS[name])
            case _:
                target = text.deleted if name in _DELETED else into
                for inner in element:
                    self._walk(inner, text, target)

    def _run(self, run: Element, text: ParagraphText, into: list[str]) -> None:
        start = len(text.shown)
        for inner in run:
            self._walk(inner, text, into)
        if into is text.shown:
            properties = child(run, "rPr")
            style = self._styles.get(attribute(child(properties, "rStyle"), "val"))
            bold, italic = child(properties, "b"), child(properties, "i")
            text.spans.append(
                Span(
                    "".join(text.shown[start:]),
                    text.link,
                    style.bold if bold is None else is_on(bold),
                    style.italic if italic is None else is_on(italic),
                )
            )

    def _address(self, hyperlink: Element) -> str:
        found = self._links.get(attribute(hyperlink, "id"))
        return found.target if found is not None and is_address(found) else ""

    def _target(self, run: Element, text: ParagraphText, into: list[str]) -> list[str]:
        properties = child(run, "rPr")
        if properties is None or into is text.deleted:
            return into
        vanish = child(properties, "vanish")
        style = self._styles.get(attribute(child(properties, "rStyle"), "val"))
        hidden = style.hidden if vanish is None else is_on(vanish)
        return text.hidden if hidden else into


def _field(kind: str, text: ParagraphText) -> None:
    """Follow a field through its beginning, its result and its end (ISO/IEC 29500-1, 17.16)."""
    if kind == "separate":
        match = _HYPERLINK.match(text.instruction)
        text.link = match[1] if match else text.link
    else:
        text.instruction = ""
        text.link = "" if kind == "end" else text.link


def _pictures(element: Element, inside: str, outside: str) -> Iterator[tuple[str, bool]]:
    embedded, linked = attribute(element, inside), attribute(element, outside)
    if embedded:
        yield embedded, False
    elif linked:
        yield linked, True
