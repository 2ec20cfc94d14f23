"""Elements of HTML as blocks; nothing that a page refers to is ever fetched."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote_to_bytes

from ocr.formats.content import StructuredPage
from ocr.formats.web.tables import cells_of, is_hidden, is_layout
from ocr.formats.xml import Element, attribute, child, local
from ocr.layout.block import Part, Span

_UNREAD = frozenset(
    "head script style template noscript iframe object embed svg canvas audio video map "
    "datalist rp rt link meta".split()
)
_BLOCKS = frozenset(
    "address article aside blockquote body center dd details dialog div dl dt fieldset figcaption "
    "figure footer form header hgroup html legend main menu nav option p search section select "
    "summary".split()
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BOLD = ("b", "strong")
_ITALIC = ("i", "em", "cite", "dfn", "var")
_DEEPEST = 120
"""Elements within one another that are told apart. What is deeper is text."""
_INLINE_IMAGE = 16 * 1024 * 1024
"""Characters of an image that is written out in the page."""

Resolve = Callable[[str], bytes | None]
"""Returns the content of what a page refers to, if it came together with the page."""


def nothing(reference: str) -> None:
    """Resolve no reference: for a page that came alone."""


def add_html(root: Element | None, page: StructuredPage, resolve: Resolve = nothing) -> None:
    """Add the content of an HTML page.

    Args:
        resolve: returns images that came together with the page, such as those of a book.
    """
    if root is not None:
        walker = _Walker(page, resolve)
        walker.walk(root, "body", 0)
        walker.flush("body")


class _Walker:
    """Goes through a page; text is gathered until a block begins or ends."""

    def __init__(self, page: StructuredPage, resolve: Resolve) -> None:
        self._page = page
        self._resolve = resolve
        self._text: list[Span] = []
        self._style = Span("")
        self._lists: list[int | None] = []
        self._item: str | None = None

    def walk(self, element: Element, part: Part, depth: int) -> None:
        """Add an element and all below it, without the text after it."""
        name = local(element)
        if name in _UNREAD:
            return
        if depth > _DEEPEST:
            self._say(" ".join(element.itertext()))
            return
        if part == "body" and is_hidden(element):
            self.flush(part)
            self._inside(element, "hidden", depth)
            self.flush("hidden")
            return
        if name in _HEADINGS:
            self.flush(part)
            self._inside(element, part, depth)
            text, spans = self._taken()
            self._page.heading(text, _HEADINGS[name], part, spans)
        elif name in ("ul", "ol"):
            self._list(element, name == "ol", part, depth)
        elif name == "li":
            self._list_item(element, part, depth)
        elif name == "table":
            self._table(element, part, depth)
        elif name in ("pre", "listing", "xmp"):
            self.flush(part)
            self._page.code("".join(element.itertext()), part)
        elif name == "hr":
            self.flush(part)
        elif name == "br":
            self._say("\n")
        elif name == "img":
            self._image(element, part)
        elif name in ("input", "textarea"):
            self._say(_field(element))
        elif name in _BLOCKS:
            self.flush(part)
            self._inside(element, part, depth)
            self.flush(part)
        else:
            before, self._style = self._style, _styled(self._style, element, name)
            self._inside(element, part, depth)
            self._style = before

    def flush(self, part: Part) -> None:
        """End the paragraph, or item of a list, whose text was gathered."""
        text, spans = self._taken()
        if not text:
            return
        if self._item is not None:
            self._page.item(text, len(self._lists), self._item, part, spans)
            self._item = None
        else:
            self._page.paragraph(text, part, spans)

    def _say(self, text: str) -> None:
        self._text.append(replace(self._style, text=text))

    def _taken(self) -> tuple[str, list[Span]]:
        """Return what was gathered, as one text and in pieces."""
        spans, self._text = self._text, []
        # A line end is white space here, and ends no line.
        spans = [replace(span, text=" ".join(span.text.split("\n"))) for span in spans]
        return " ".join("".join(span.text for span in spans).split()), spans

    def _inside(self, element: Element, part: Part, depth: int) -> None:
        self._say(element.text or "")
        for inner in element:
            self.walk(inner, part, depth + 1)
            self._say(inner.tail or "")

    def _list(self, element: Element, numbered: bool, part: Part, depth: int) -> None:
        self.flush(part)
        start = attribute(element, "start")
        first = int(start) if start.isdecimal() and len(start) < 7 else 1
        self._lists.append(first if numbered else None)
        self._inside(element, part, depth)
        self.flush(part)
        self._lists.pop()
        self._item = None

    def _list_item(self, element: Element, part: Part, depth: int) -> None:
        self.flush(part)
        if not self._lists:
            self._lists.append(None)
        number = self._lists[-1]
        self._item = "\u2022" if number is None else f"{number}."
        if number is not None:
            self._lists[-1] = number + 1
        self._inside(element, part, depth)
        self.flush(part)
        self._item = None

    def _table(self, element: Element, part: Part, depth: int) -> None:
        self.flush(part)
        self._item = None
        if is_layout(element):
            self._say(element.text or "")
            for inner in element:
                self._cells(inner, part, depth + 1)
                self._say(inner.tail or "")
            self.flush(part)
            return
        caption = child(element, "caption")
        if caption is not None:
            self._page.paragraph(" ".join("".join(caption.itertext()).split()), part)
        self._page.table(cells_of(element, _text_of), part)
        for image in element.iter("img"):
            self._image(image, part)
        self._text = []

    def _cells(self, element: Element, part: Part, depth: int) -> None:
        """Add the cells of a table that only places things, and what stands between them."""
        if part == "body" and is_hidden(element):
            self.flush(part)
            part = "hidden"
        if local(element) in ("td", "th", "caption"):
            self.flush(part)
            self._inside(element, part, depth)
        elif local(element) in ("tr", "tbody", "thead", "tfoot"):
            self._say(element.text or "")
            for inner in element:
                self._cells(inner, part, depth + 1)
                self._say(inner.tail or "")
        else:
            self.walk(element, part, depth)
        self.flush(part)

    def _image(self, element: Element, part: Part) -> None:
        alternative = attribute(element, "alt").strip()
        if alternative:
            self._say(f" {alternative} ")
        source = attribute(element, "src").strip()
        if not source:
            return
        if source[:5].lower() == "data:":
            content = _inline(source)
        else:
            content = self._resolve(source)
            if content is None:
                self._page.notices["external_refused"] += 1
                return
        if content is None:
            self._page.notices["picture_unreadable"] += 1
            return
        self._page.picture(content, part)


def _styled(style: Span, element: Element, name: str) -> Span:
    """Return how text within an element is marked."""
    if name in _BOLD:
        return replace(style, bold=True)
    if name in _ITALIC:
        return replace(style, italic=True)
    address = attribute(element, "href").strip()
    if name == "a" and address.lower().startswith(("http://", "https://", "mailto:")):
        return replace(style, link=address)
    return style


def _text_of(element: Element) -> str:
    """Return the text of a cell, without what is not text."""
    parts: list[str] = []
    pending = [(element, False)]
    while pending:
        found, after = pending.pop()
        if after:
            parts.append(found.tail or "")
            continue
        name = local(found)
        if name and name not in _UNREAD:
            if name in ("br", "p", "div", "li"):
                parts.append(" ")
            if name == "img":
                parts.append(f" {attribute(found, 'alt')} ")
            if name in ("input", "textarea"):
                parts.append(_field(found))
            parts.append(found.text or "")
            for inner in reversed(found):
                pending += [(inner, True), (inner, False)]
    return " ".join("".join(parts).split())


def _field(element: Element) -> str:
    """Return what a field of a form shows."""
    kind = attribute(element, "type").lower()
    if kind in ("checkbox", "radio"):
        return " [x] " if "checked" in element.attrib else " [ ] "
    if kind in ("hidden", "password", "submit", "button", "image", "file", "reset"):
        return ""
    return f" {attribute(element, 'value')} "


def _inline(source: str) -> bytes | None:
    """Return an image that is written out in the page (RFC 2397); None if it cannot be read."""
    head, comma, data = source.partition(",")
    if not comma or len(data) > _INLINE_IMAGE:
        return None
    try:
        content = unquote_to_bytes(data)
        return base64.b64decode(content) if head.lower().endswith(";base64") else content
    except (binascii.Error, ValueError):
        return None
