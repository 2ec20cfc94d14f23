"""XML from strangers: no entities, no network, bounded depth; and names without namespaces.

Office formats have two namespaces for every element, of the transitional and of the strict standard
(ISO/IEC 29500-1 and -4), so elements are known by their local names here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree  # type: ignore[import-untyped]

from ocr.errors import DocumentBroken

Element = Any
"""An element of lxml, which has no types of its own."""


def parsed(content: bytes, name: str) -> Element:
    """Return the root of a document.

    Args:
        name: of the part, for messages.

    Raises:
        DocumentBroken: it is not well-formed, too deep, or declares a document type: no office
            format has one, and entities are how small files become large.
    """
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise DocumentBroken(f"its part {name[:200]!r} is no sound XML: {error}") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise DocumentBroken(f"its part {name[:200]!r} declares a document type, which is refused")
    return root


def local(element: Element) -> str:
    """Return an element's name without its namespace."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: Element | None, name: str, default: str = "") -> str:
    """Return an attribute by its local name."""
    if element is None:
        return default
    for key, value in element.attrib.items():
        if key == name or key.endswith("}" + name):
            return str(value)
    return default


def child(element: Element | None, *path: str) -> Element | None:
    """Return the first descendant along a path of local names; None if there is none."""
    for name in path:
        if element is None:
            return None
        element = next((inner for inner in element if local(inner) == name), None)
    return element


def contents(element: Element | None) -> Iterator[Element]:
    """Yield all children of an element that may not be there."""
    if element is not None:
        yield from element


def children(element: Element | None, name: str) -> Iterator[Element]:
    """Yield the children of one name."""
    if element is not None:
        for inner in element:
            if local(inner) == name:
                yield inner


def descendants(element: Element | None, *names: str) -> Iterator[Element]:
    """Yield elements of some names below an element, in document order."""
    if element is not None:
        for inner in element.iter():
            if local(inner) in names:
                yield inner


def is_on(element: Element | None) -> bool:
    """Return whether a switch of an office format is there and not off."""
    return element is not None and attribute(element, "val", "1") not in ("0", "false", "off")
