"""EPUB books (EPUB 3.3): a page for each document of the spine, in reading order."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote, urlsplit

from ocr.errors import DocumentBroken, EncryptionUnknown, PageBroken
from ocr.formats.content import StructuredDocument, StructuredPage
from ocr.formats.package import Package, joined
from ocr.formats.plain.decoding import decoded
from ocr.formats.web.html import add_html
from ocr.formats.web.parsing import parsed_html
from ocr.formats.xml import Element, attribute, child, children, descendants, parsed

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
"""Algorithms that hide fonts, and nothing that is read."""
_TEXT = ("application/xhtml+xml", "text/html", "application/x-dtbncx+xml")
_MAX_PICTURE = 64 * 1024 * 1024
"""Bytes."""


def is_epub(package: Package) -> bool:
    """Return whether an archive holds a book."""
    return _CONTAINER in package


class Book(StructuredDocument):
    """An open EPUB file."""

    format = "epub"

    def __init__(self, package: Package) -> None:
        self._package = package
        if _ENCRYPTION in package:
            _refuse_protected(parsed(package.read(_ENCRYPTION), _ENCRYPTION))
        container = parsed(package.read(_CONTAINER), _CONTAINER)
        root = next(descendants(container, "rootfile"), None)
        name = attribute(root, "full-path")
        if root is None or name not in package:
            raise DocumentBroken("it is an EPUB file without a package document")
        book = parsed(package.read(name), name)
        folder = posixpath.dirname(name)
        items = {
            attribute(item, "id"): joined(folder, unquote(attribute(item, "href")))
            for item in children(child(book, "manifest"), "item")
            if attribute(item, "media-type") in _TEXT
        }
        spine = [
            items.get(attribute(listed, "idref"), "")
            for listed in children(child(book, "spine"), "itemref")
        ]
        self._chapters = [name for name in spine if name in package]
        self.page_count = len(self._chapters)

    def page(self, number: int) -> StructuredPage:
        """Return a document of the spine.

        Raises:
            PageBroken: it is damaged.
            PageTooLarge: it has more than a page may have.
        """
        name = self._chapters[number - 1]
        page = StructuredPage(number, "a part of a book")
        folder = posixpath.dirname(name)

        def image(reference: str) -> bytes | None:
            parts = urlsplit(reference)
            target = joined(folder, unquote(parts.path))
            if parts.scheme or parts.netloc or target not in self._package:
                return None
            return self._package.read(target, _MAX_PICTURE)

        try:
            add_html(_tree(self._package.read(name), name), page, image)
        except DocumentBroken as error:
            raise PageBroken(str(error)) from None
        return page


def _tree(content: bytes, name: str) -> Element | None:
    """Return a chapter, as XML if it is sound, or else as a browser would read it."""
    try:
        return parsed(content, name)
    except DocumentBroken:
        # Most often an entity such as &nbsp;, which XHTML takes from a document type.
        return parsed_html(decoded(content).text)


def _refuse_protected(root: Element) -> None:
    for method in descendants(root, "EncryptionMethod"):
        if attribute(method, "Algorithm") not in _FONTS:
            raise EncryptionUnknown("it is protected by digital rights management")
