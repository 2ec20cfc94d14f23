"""What a paragraph style says that matters for reading: headings, lists, hidden text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ocr.formats.xml import Element, attribute, child, children, is_on

_HEADING_NAME = re.compile(r"heading ([1-9])", re.I)
_LIST_NAME = re.compile(r"list (?:bullet|number|continue) ([2-9])")
_TITLES = {"title": 1, "subtitle": 2}
_DEEPEST_CHAIN = 20
"""Styles that are each based on the next; files that are wrong have circles of them."""


@dataclass(frozen=True, slots=True)
class Style:
    """A style with what it inherits.

    Attributes:
        heading: its level; 0 for other text.
        numbering: its list and the level in it; the list is empty for other text.
        depth: of its list within others, where the level in the list does not say it.
        hidden: whether its text is not shown.
        code: whether its text is a listing, as far as its name says.
        bold: whether its text is stressed so; that of character styles alone counts.
        italic: likewise.
    """

    heading: int = 0
    numbering: tuple[str, int] = ("", 0)
    depth: int = 0
    hidden: bool = False
    code: bool = False
    bold: bool = False
    italic: bool = False


class Styles:
    """The styles of one document, by their ids."""

    def __init__(self, root: Element | None) -> None:
        self._elements = {attribute(style, "styleId"): style for style in children(root, "style")}
        self._known: dict[str, Style] = {}

    def get(self, name: str) -> Style:
        """Return a style; plain text for one that is not there."""
        if name not in self._known:
            self._known[name] = self._resolved(name)
        return self._known[name]

    def _resolved(self, name: str) -> Style:
        heading, numbering, hidden, code, depth = 0, ("", 0), False, False, 0
        bold = italic = False
        for _ in range(_DEEPEST_CHAIN):
            element = self._elements.get(name)
            if element is None:
                break
            heading = heading or _heading(element)
            properties = child(element, "pPr")
            if not numbering[0]:
                numbering = numbering_of(properties)
                # Word's own styles for inner lists are lists by themselves, with one level each.
                inner = _LIST_NAME.fullmatch(_name(element))
                if numbering[0] and inner is not None and not numbering[1]:
                    depth = int(inner[1]) - 1
            hidden = hidden or is_on(child(element, "rPr", "vanish"))
            bold = bold or is_on(child(element, "rPr", "b"))
            italic = italic or is_on(child(element, "rPr", "i"))
            code = code or _name(element) in ("html preformatted", "source code", "code")
            name = attribute(child(element, "basedOn"), "val")
        return Style(heading, numbering, depth, hidden, code, bold, italic)


def numbering_of(properties: Element | None) -> tuple[str, int]:
    """Return the list that paragraph properties name, and the level in it."""
    found = child(properties, "numPr")
    level = attribute(child(found, "ilvl"), "val", "0")
    return attribute(child(found, "numId"), "val"), int(level) if level.isdecimal() else 0


def outline_level(properties: Element | None) -> int:
    """Return the heading level that paragraph properties set: 1 to 9, or 0 for none."""
    value = attribute(child(properties, "outlineLvl"), "val")
    return int(value) + 1 if value in "012345678" and value else 0


def _heading(style: Element) -> int:
    name = _name(style)
    match = _HEADING_NAME.fullmatch(name)
    if match is not None:
        return int(match[1])
    return _TITLES.get(name, 0) or outline_level(child(style, "pPr"))


def _name(style: Element) -> str:
    return attribute(child(style, "name"), "val").lower()
